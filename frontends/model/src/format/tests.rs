#![allow(clippy::unwrap_used, clippy::unwrap_in_result, clippy::panic, reason = "tests")]

use proptest::prelude::*;
use safetensors::Dtype;
use sha2::Digest as _;

use super::*;
use crate::samples::{network, networks, tiny};

type Parts = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// The tensors and metadata of [`tiny`], edited, with a right digest, in a container of the safetensors crate.
fn rebuilt(edit: impl FnOnce(&mut Parts, &mut Metadata)) -> Result<Network, ModelError> {
    let bytes = tiny().to_bytes().unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let container = SafeTensors::deserialize(&bytes).unwrap();
    let part = |view: &TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let mut parts: Parts = container.iter().map(|(name, view)| (name.into(), part(&view))).collect();
    let mut metadata = header.metadata().clone().unwrap();
    let hash = |parts: &Parts| {
        let bytes: Vec<u8> = parts.iter().flat_map(|(name, part)| [name.as_bytes(), &part.2].concat()).collect();
        sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(metadata["sha256"], hash(&parts));
    edit(&mut parts, &mut metadata);
    if let Some(digest) = metadata.get_mut("sha256") {
        *digest = hash(&parts);
    }
    let views =
        parts.iter().map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    Network::from_bytes(&safetensors::serialize(views, Some(metadata)).unwrap())
}

/// The file of [`tiny`] with `from` replaced by `to` in its header.
fn with_header(from: &str, to: &str) -> Result<Network, ModelError> {
    let bytes = tiny().to_bytes().unwrap();
    let start = data_start(&bytes);
    let header = core::str::from_utf8(&bytes[8..start]).unwrap();
    assert!(header.contains(from), "{header}");
    let header = header.replacen(from, to, 1);
    let length = (header.len() as u64).to_le_bytes();
    Network::from_bytes(&[&length, header.as_bytes(), &bytes[start..]].concat())
}

fn data_start(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

fn network_json(from: &str, to: &str) -> Result<Network, ModelError> {
    let escape = |text: &str| text.replace('"', "\\\"");
    with_header(&escape(from), &escape(to))
}

#[test]
fn reads_back_what_it_writes() {
    let tolerance = Tolerance::new(0.1 + 0.2).unwrap();
    let network = tiny().with_training("{\"epochs\": 3}").with_logit_bound(u64::MAX).with_logit_tolerance(tolerance);
    let bytes = network.to_bytes().unwrap();
    assert_eq!(Network::from_bytes(&bytes).unwrap(), network);
    assert_eq!(network.to_bytes().unwrap(), bytes);
    assert_eq!(rebuilt(|_, _| ()).unwrap(), tiny());
}

#[test]
fn tensors_take_the_smallest_type() {
    let bytes = tiny().to_bytes().unwrap();
    let container = SafeTensors::deserialize(&bytes).unwrap();
    let types: BTreeMap<_, _> = container.iter().map(|(name, view)| (name, view.dtype())).collect();
    let expected = [
        ("layer0.bias", Dtype::I16),
        ("layer0.weight", Dtype::I8),
        ("layer2.bias", Dtype::I32),
        ("layer2.weight", Dtype::I16),
    ];
    assert_eq!(types.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn any_signed_type_is_read() {
    let widened = rebuilt(|parts, _| {
        let (dtype, _, data) = parts.get_mut("layer0.weight").unwrap();
        *dtype = Dtype::I64;
        *data = data.iter().flat_map(|&byte| i64::from(byte.cast_signed()).to_le_bytes()).collect();
    });
    assert_eq!(widened.unwrap(), tiny());
    let unsigned = rebuilt(|parts, _| parts.get_mut("layer0.weight").unwrap().0 = Dtype::U8);
    assert!(matches!(unsigned, Err(ModelError::TensorType { tensor, found: Dtype::U8 }) if tensor == "layer0.weight"));
}

#[test]
fn tensors_must_be_those_of_the_layers() {
    let missing = rebuilt(|parts, _| drop(parts.remove("layer2.bias")));
    assert!(matches!(missing, Err(ModelError::MissingTensor { tensor }) if tensor == "layer2.bias"));
    let extra = rebuilt(|parts, _| drop(parts.insert("layer1.weight".into(), (Dtype::I8, vec![1], vec![0]))));
    assert!(matches!(extra, Err(ModelError::UnexpectedTensor { tensor }) if tensor == "layer1.weight"));
    let duplicate = with_header("\"layer0.bias\":{", "\"layer0.weight\":{");
    let error = duplicate.unwrap_err();
    assert!(matches!(error, ModelError::Json { what: "header", .. } | ModelError::Container(_)), "{error}");
}

#[test]
fn equal_keys_are_refused_at_any_depth() {
    let twice = "{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}";
    let tensor = with_header("\"layer0.bias\":{", &format!("\"empty\":{twice},\"empty\":{twice},\"layer0.bias\":{{"));
    assert!(tensor.unwrap_err().to_string().contains("duplicate key \"empty\""));
    let entry = with_header("\"format\":", "\"format\":\"other\",\"format\":");
    assert!(entry.unwrap_err().to_string().contains("duplicate key \"format\""));
}

#[test]
fn shapes_must_be_those_of_the_layers() {
    let error = rebuilt(|parts, _| parts.get_mut("layer0.weight").unwrap().1 = vec![2, 1, 9]).unwrap_err();
    assert_eq!(error.to_string(), "tensor \"layer0.weight\" has shape [2, 1, 9], expected [2, 1, 3, 3]");
    let error = network_json("\"kernel\":[3,3]", "\"kernel\":[9,1]").unwrap_err();
    assert_eq!(error.to_string(), "tensor \"layer0.weight\" has shape [2, 1, 3, 3], expected [2, 1, 9, 1]");
    let error = network_json("[1,4,4]", "[2,4,4]").unwrap_err();
    assert_eq!(error.to_string(), "tensor \"layer0.weight\" has shape [2, 1, 3, 3], expected [2, 2, 3, 3]");
    let error = rebuilt(|parts, _| parts.get_mut("layer2.bias").unwrap().1 = vec![3, 1]).unwrap_err();
    assert!(matches!(error, ModelError::TensorShape { tensor, .. } if tensor == "layer2.bias"));
    let scalar = rebuilt(|parts, _| *parts.get_mut("layer2.weight").unwrap() = (Dtype::I8, vec![], vec![1]));
    assert!(matches!(scalar, Err(ModelError::TensorShape { .. })));
}

#[test]
fn the_description_is_read_strictly() {
    for (from, to) in [
        ("\"type\":\"square\"", "\"type\":\"relu\""),
        ("\"type\":\"square\"", "\"type\":\"square\",\"slope\":1"),
        ("\"type\":\"square\"", "\"type\":\"square\",\"type\":\"square\""),
        ("\"type\":\"dense\",\"name\"", "\"type\":\"dense\",\"name\":\"x\",\"name\""),
        ("\"top\":0", "\"top\":-1"),
        ("\"top\":0", "\"top\":0,\"depth\":0"),
        ("\"top\":0,", ""),
        ("\"shape\":[1,4,4]", "\"shape\":[4,4]"),
        ("\"shape\":[1,4,4]", "\"shape\":[1,4,4.5]"),
        ("\"scale\":[1,16]", "\"scale\":[1,16],\"offset\":0"),
        ("\"scale\":[1,16]", "\"scale\":[1,4294967296]"),
        ("\"labels\":", "\"names\":"),
    ] {
        let error = network_json(from, to).unwrap_err();
        assert!(matches!(error, ModelError::Json { what: "network", .. }), "{to}: {error}");
    }
    assert!(matches!(network_json("[1,16]", "[1,0]"), Err(ModelError::Scale { .. })));
    assert!(matches!(network_json("[\"0\",", "["), Err(ModelError::LabelCount { expected: 3, found: 2 })));
    let huge = network_json("[1,4,4]", "[1,4294967296,4294967296]");
    assert!(matches!(huge, Err(ModelError::TooManyValues { .. })), "{huge:?}");
}

#[test]
fn a_tolerance_is_positive_and_finite() {
    let with = |text: &str| network_json("\"labels\":", &format!("\"logit_tolerance\":{text},\"labels\":"));
    for (text, deviation) in [("1.77e13", 1.77e13), ("3", 3.0), ("5e-324", 5e-324), ("null", f64::NAN)] {
        assert_eq!(with(text).unwrap().logit_tolerance(), deviation.is_finite().then_some(deviation), "{text}");
    }
    for text in ["0", "-0.0", "-1e-9", "1e-400"] {
        let error = with(text).unwrap_err();
        assert!(matches!(error, ModelError::Tolerance { .. }), "{text}: {error}");
    }
    let error = with("-2.5").unwrap_err().to_string();
    assert_eq!(error, "logit_tolerance is -2.5, but must be positive and finite: measure it, or leave it out");
    for text in ["NaN", "Infinity", "1e400", "\"1\"", "[1]", "1,\"logit_tolerance\":1"] {
        let error = with(text).unwrap_err();
        assert!(matches!(error, ModelError::Json { what: "network", .. }), "{text}: {error}");
    }
}

#[test]
fn metadata_must_be_known() {
    for key in ["format", "version", "name", "network", "sha256"] {
        let missing = rebuilt(|_, metadata| drop(metadata.remove(key)));
        assert!(matches!(missing, Err(ModelError::MissingMetadata { key: found }) if found == key));
    }
    for key in ["format", "version"] {
        let other = rebuilt(|_, metadata| drop(metadata.insert(key.into(), "2".into())));
        assert!(matches!(other, Err(ModelError::Metadata { key: found, .. }) if found == key));
    }
    let not_hex = with_header("\"sha256\":\"", "\"sha256\":\"z");
    assert!(matches!(not_hex, Err(ModelError::Metadata { key: "sha256", .. })));
    let name = rebuilt(|_, metadata| drop(metadata.insert("name".into(), "\u{7}".into())));
    assert!(matches!(name, Err(ModelError::Name { what: "network", .. })));
    let plain = safetensors::serialize(Vec::<(&str, TensorView<'_>)>::new(), None).unwrap();
    assert!(matches!(Network::from_bytes(&plain), Err(ModelError::MissingMetadata { key: "format" })));
}

#[test]
fn a_changed_tensor_byte_is_always_found() {
    let bytes = tiny().to_bytes().unwrap();
    for index in data_start(&bytes)..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << bit;
            assert!(matches!(Network::from_bytes(&changed), Err(ModelError::Corrupt { .. })), "byte {index}");
        }
    }
}

#[test]
fn a_truncated_or_longer_file_is_refused() {
    let bytes = tiny().to_bytes().unwrap();
    for length in 0..bytes.len() {
        assert!(Network::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(Network::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn a_changed_header_byte_never_panics() {
    let bytes = tiny().to_bytes().unwrap();
    for index in 0..data_start(&bytes) {
        for value in [0, 0xff, b'"', b'9', b'[', b'{', bytes[index] ^ 1, bytes[index] ^ 0x80] {
            let mut changed = bytes.clone();
            changed[index] = value;
            // A change of white space, of a name or of the scale can make another valid network.
            let _ = Network::from_bytes(&changed);
        }
    }
}

#[test]
fn deep_json_is_refused() {
    let header = format!("{{\"__metadata__\":{}", "[".repeat(100_000));
    let length = (header.len() as u64).to_le_bytes();
    assert!(Network::from_bytes(&[&length, header.as_bytes()].concat()).is_err());
    assert!(network_json("[1,4,4]", &"[".repeat(10_000)).is_err());
}

#[test]
fn wide_biases_cannot_be_written() {
    let dense = Dense { outputs: 1, inputs: 1, weights: vec![1], bias: vec![1 << 63] };
    let error = network([1, 1, 1], vec![Op::Dense(dense)]).to_bytes().unwrap_err();
    assert!(matches!(error, ModelError::BiasTooWide { layer } if layer == "layer0"));
}

#[test]
fn open_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let error = Network::open(&file).unwrap_err();
    assert!(error.to_string().contains("model.safetensors: cannot be read"), "{error}");
    std::fs::write(&file, tiny().to_bytes().unwrap()).unwrap();
    assert_eq!(Network::open(&file).unwrap(), tiny());
    assert!(matches!(read_bounded(&file, 10), Err(ModelError::FileTooLarge { limit: 10 })));
}

proptest! {
    #[test]
    fn every_network_survives_the_file((network, _) in networks(63)) {
        prop_assert_eq!(Network::from_bytes(&network.to_bytes().unwrap()).unwrap(), network);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Network::from_bytes(&bytes).is_err());
    }
}
