//! Writes seed inputs for the targets that decode bytes: valid values of every kind, with and without their headers.
//!
//! Usage: `cargo run --example seeds -- DIRECTORY`, which gets one folder per target.

use std::fs;
use std::io;
use std::path::Path;

use tacit_core::ckks::{self, Ckks, Encoding};
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, PublicKey, rotation_element};
use tacit_core::wire::{HEADER_BYTES, Wire};
use tacit_fuzz::{DEGREE, World, rng};
use tacit_model::{Conv2d, Dense, Input, Layer, Network, Op, Padding, Scale};

fn main() -> io::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "corpus".to_owned());
    let world = World::new();
    let (bfv, params) = (&world.bfv, world.params());
    let fresh = world.encrypt(&[1, 2, 3], 2);
    let seeded = bfv.encrypt(&world.secret, &bfv.encode(&[7]).expect("in range"), &mut rng(6)).expect("noise fits");
    let product = bfv.square(&fresh).expect("noise fits");
    let low = bfv.switch_to(&fresh, 1).expect("noise fits");
    let mut request = KeyRequest::default();
    request.need_galois(rotation_element(DEGREE, 1), 1);
    let few = EvaluationKeys::generate(&world.secret, &request, &mut rng(7)).expect("valid request");
    let public = PublicKey::generate(&world.secret, &mut rng(8));
    let ckks = Ckks::new(params);
    let encoding = Encoding { level: 2, scale: ckks::Scale::from_bits(20).expect("in range"), bound: 2.0 };
    let numbers = ckks.encode(&[1.5, -2.0], &encoding).expect("in range");
    let ckks_seeded = ckks.encrypt(&world.secret, &numbers, &mut rng(9)).expect("it fits");
    let ckks_fresh = ckks.expand(&ckks_seeded);
    let ckks_product = ckks.square(&ckks_fresh).expect("it fits");
    let values = [
        ("wire_ckks", "fresh", ckks_fresh.to_bytes(params)),
        ("wire_ckks", "seeded", ckks_seeded.to_bytes(params)),
        ("wire_ckks", "product", ckks_product.to_bytes(params)),
        ("wire_ciphertext", "fresh", fresh.to_bytes(params)),
        ("wire_ciphertext", "seeded", seeded.to_bytes(params)),
        ("wire_ciphertext", "product", product.to_bytes(params)),
        ("wire_ciphertext", "low", low.to_bytes(params)),
        ("wire_keys", "all", world.keys.to_bytes(params)),
        ("wire_keys", "few", few.to_bytes(params)),
        ("wire_keys", "public", public.to_bytes(params)),
        ("wire_keys", "secret", world.secret.to_bytes(params)),
    ];
    let directory = Path::new(&directory);
    for (target, name, bytes) in values {
        write(directory, target, name, &bytes)?;
        write(directory, target, &format!("{name}-body"), &bytes[HEADER_BYTES..])?;
    }
    write(directory, "model_files", "model", &network().to_bytes().expect("a network has bytes"))?;
    write(
        directory,
        "model_files",
        "images",
        &[&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3][..], &[7; 6]].concat(),
    )?;
    write(directory, "model_files", "labels", &[0, 0, 8, 1, 0, 0, 0, 2, 3, 4])?;
    write(directory, "model_files", "picture", tacit_model::DIGITS[3])?;
    write(directory, "onnx_import", "chain", &onnx_model())
}

fn write(directory: &Path, target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = directory.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

/// A convolution, a square and a dense layer, as small as they can be.
fn network() -> Network {
    let padding = Padding { top: 0, left: 0, bottom: 1, right: 1 };
    let conv = Conv2d {
        maps: 1,
        channels: 1,
        kernel: [2; 2],
        stride: [2; 2],
        padding,
        weights: vec![1, -2, 3, 0],
        bias: vec![5],
    };
    let dense = Dense { outputs: 2, inputs: 4, weights: vec![1, 2, 3, 4, -1, -2, -3, -4], bias: vec![0, 1] };
    let layers = [("conv", Op::Conv2d(conv)), ("square", Op::Square), ("dense", Op::Dense(dense))];
    let layers = layers.map(|(name, op)| Layer { name: name.into(), op }).into();
    let input = Input { shape: [1, 3, 3], scale: Scale::new(1, 255).expect("a positive scale") };
    Network::new("small", input, layers, vec!["no".into(), "yes".into()]).expect("shapes that fit")
}

/// A matrix, a product of it with itself, and a softmax, as ONNX writes them.
fn onnx_model() -> Vec<u8> {
    let shape = field(2, &[dimension(1), dimension(2)].concat());
    let info =
        |name: &str| [field(1, name.as_bytes()), field(2, &field(1, &[&[0x08, 1], &shape[..]].concat()))].concat();
    let tensor = [field(1, &[2, 2]), vec![0x10, 1], field(8, b"w"), field(9, &[0; 16])].concat();
    let node = |operator: &str, inputs: &[&str], output: &str| {
        let inputs = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect::<Vec<_>>();
        field(1, &[inputs, field(2, output.as_bytes()), field(4, operator.as_bytes())].concat())
    };
    let nodes =
        [node("MatMul", &["x", "w"], "a"), node("Mul", &["a", "a"], "b"), node("Softmax", &["b"], "y")].concat();
    let graph = [nodes, field(5, &tensor), field(11, &info("x")), field(12, &info("y"))].concat();
    [field(7, &graph), field(8, &[0x10, 13])].concat()
}

/// A field of bytes of the protocol-buffer encoding.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 127 {
        encoded.push(length as u8 | 0x80);
        length >>= 7;
    }
    encoded.push(length as u8);
    encoded.extend_from_slice(bytes);
    encoded
}

/// A side of a shape.
fn dimension(side: u8) -> Vec<u8> {
    field(1, &[0x08, side])
}
