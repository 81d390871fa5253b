//! Bytes from the other side: truncated, flipped, of another kind, of another deployment.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::LazyLock;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tacit_lola::error::{MessageError, MessageKind, Named};
use tacit_lola::{Client, ClientKeys, Deployment, Goal, RunError, Scheme, Sequential, Server};
use tacit_model::{Conv2d, Dense, Input, Layer, Network, Op, Padding, Scale};

const HEADER: usize = 24;

/// The header of a value of the core.
const CORE_HEADER: usize = tacit_core::wire::HEADER_BYTES;

/// A network of the paper's shape, small enough to encrypt quickly; `name` tells deployments apart.
fn network(name: &str) -> Network {
    let layer = |name: &str, op| Layer { name: name.into(), op };
    let conv = Conv2d {
        maps: 2,
        channels: 1,
        kernel: [2, 2],
        stride: [2, 2],
        padding: Padding::default(),
        weights: vec![1, -1, 2, 0, -2, 1, 1, 1],
        bias: vec![1, -1],
    };
    let dense = Dense { outputs: 3, inputs: 8, weights: (0..24).map(|i| i % 5 - 2).collect(), bias: vec![1, 2, 3] };
    let output = Dense { outputs: 2, inputs: 3, weights: vec![1, -1, 2, -2, 1, 1], bias: vec![5, -5] };
    let layers = vec![
        layer("conv", Op::Conv2d(conv)),
        layer("square1", Op::Square),
        layer("dense", Op::Dense(dense)),
        layer("square2", Op::Square),
        layer("output", Op::Dense(output)),
    ];
    let input = Input { shape: [1, 4, 4], scale: Scale::new(1, 64).unwrap() };
    Network::new(name, input, layers, vec!["a".into(), "b".into()]).unwrap().with_logit_bound(10_000)
}

/// One of each scheme.
static DEPLOYMENTS: LazyLock<[Deployment; 2]> = LazyLock::new(|| {
    [(Goal::Paper, Scheme::Bfv), (Goal::Latency, Scheme::Ckks)]
        .map(|(goal, scheme)| Deployment::new(&network("one"), goal, scheme).unwrap())
});
static FIXTURES: LazyLock<[Fixture; 2]> = LazyLock::new(|| [0, 1].map(|i| Fixture::new(&DEPLOYMENTS[i])));

struct Fixture {
    deployment: &'static Deployment,
    client: Client<'static>,
    server: Server<'static>,
    server_keys: ClientKeys,
    secret: Vec<u8>,
    keys: Vec<u8>,
    query: Vec<u8>,
    answer: Vec<u8>,
}

impl Fixture {
    fn new(deployment: &'static Deployment) -> Self {
        let mut rng = ChaCha20Rng::from_seed([11; 32]);
        let (client, server) = (deployment.client(&mut rng), deployment.server().unwrap());
        let keys = client.evaluation_keys(&mut rng).unwrap();
        let server_keys = server.read_keys(&keys).unwrap();
        let query = client.encrypt(&[1; 16], &mut rng).unwrap();
        let answer = server.evaluate(&server_keys, &query, &Sequential, &|_, _| {}).unwrap();
        let secret = client.secret_key().to_vec();
        Self { deployment, client, server, server_keys, secret, keys, query, answer }
    }

    /// What each reader says of some bytes.
    fn read(&self, kind: MessageKind, bytes: &[u8]) -> Result<(), MessageError> {
        let unwrap = |error| match error {
            RunError::Message(error) => error,
            other => panic!("{other}"),
        };
        match kind {
            MessageKind::SecretKey => self.deployment.spec().client_with_key(bytes).map(drop),
            MessageKind::EvaluationKeys => self.server.read_keys(bytes).map(drop),
            MessageKind::Query => {
                self.server.evaluate(&self.server_keys, bytes, &Sequential, &|_, _| {}).map(drop).map_err(unwrap)
            }
            MessageKind::Answer => self.client.decrypt(bytes).map(drop).map_err(unwrap),
        }
    }

    fn messages(&self) -> [(MessageKind, &[u8]); 4] {
        [
            (MessageKind::SecretKey, &self.secret),
            (MessageKind::EvaluationKeys, &self.keys),
            (MessageKind::Query, &self.query),
            (MessageKind::Answer, &self.answer),
        ]
    }
}

/// Every message with the side that made it.
fn all() -> impl Iterator<Item = (&'static Fixture, MessageKind, &'static [u8])> {
    FIXTURES.iter().flat_map(|f| f.messages().map(|(kind, bytes)| (f, kind, bytes)))
}

#[test]
fn the_fixtures_answer_correctly() {
    for f in &*FIXTURES {
        let client = f.deployment.spec().client_with_key(&f.secret).unwrap();
        let logits = client.decrypt(&f.answer).unwrap().release().unwrap();
        assert!(logits.agree_with(&network("one").evaluate(&[1; 16]).unwrap().logits), "{logits:?}");
    }
}

#[test]
fn truncated_and_longer_messages_are_refused() {
    for (f, kind, bytes) in all() {
        let ends = (0..=HEADER + 40).chain([bytes.len() / 2, bytes.len() - 1]);
        for end in ends.filter(|&end| end < bytes.len()) {
            let error = f.read(kind, &bytes[..end]).unwrap_err();
            let expected =
                matches!(error, MessageError::Magic | MessageError::Length { .. } | MessageError::Part { .. });
            assert!(expected, "{kind} cut at {end}: {error}");
        }
        let error = f.read(kind, &[bytes, &[0]].concat()).unwrap_err();
        assert!(matches!(error, MessageError::Length { .. } | MessageError::Part { .. }), "{kind}: {error}");
    }
}

#[test]
fn every_header_bit_matters() {
    for (f, kind, bytes) in all() {
        for bit in 0..8 * HEADER {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = f.read(kind, &flipped).unwrap_err();
            let expected = match bit / 8 {
                0..4 => matches!(error, MessageError::Magic),
                4..6 => matches!(error, MessageError::Version { .. }),
                6 => matches!(error, MessageError::Kind { .. }),
                7 => matches!(error, MessageError::Reserved { .. }),
                _ => matches!(error, MessageError::Deployment { .. }),
            };
            assert!(expected, "{kind}, bit {bit}: {error}");
        }
    }
}

#[test]
fn kinds_are_not_interchangeable() {
    for (f, kind, _) in all() {
        for (found, bytes) in f.messages().into_iter().filter(|(found, _)| *found != kind) {
            let expected = MessageError::Kind { expected: Named(kind), found: found as u8 };
            assert_eq!(f.read(kind, bytes), Err(expected));
        }
    }
    for (_, kind, bytes) in all() {
        assert_eq!(MessageKind::of(&bytes[..HEADER]), Some(kind));
        assert_eq!(MessageKind::of(&bytes[..6]), None);
    }
    assert_eq!(MessageKind::of(b"TLOL\x01\x00\x09"), None);
    let refusal = FIXTURES[0].read(MessageKind::EvaluationKeys, &FIXTURES[0].secret).unwrap_err().to_string();
    assert_eq!(refusal, "this is a secret key, but an evaluation-key file is needed");
}

#[test]
fn another_network_with_the_same_parameters_is_told_apart() {
    let other = Deployment::new(&network("two"), Goal::Paper, Scheme::Bfv).unwrap();
    let f = &FIXTURES[0];
    assert_eq!(other.spec().params(), f.deployment.spec().params());
    let client = other.client(&mut ChaCha20Rng::from_seed([12; 32]));
    let query = client.encrypt(&[1; 16], &mut ChaCha20Rng::from_seed([13; 32])).unwrap();
    assert!(matches!(f.read(MessageKind::Query, &query), Err(MessageError::Deployment { .. })));
    let keys = client.evaluation_keys(&mut ChaCha20Rng::from_seed([14; 32])).unwrap();
    assert!(matches!(f.read(MessageKind::EvaluationKeys, &keys), Err(MessageError::Deployment { .. })));
}

/// A ciphertext at another scale, or with bounds that claim too little, is no part of this plan however well it is formed.
#[test]
fn other_scales_and_bounds_are_refused() {
    let f = &FIXTURES[1];
    let changed = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    // Behind both headers: the seed and the level of a query's part, the level and the size of an answer's.
    let (query, answer) = (HEADER + CORE_HEADER + 32 + 1, HEADER + CORE_HEADER + 2);
    let refused = Err(MessageError::Scale { part: 0 });
    assert_eq!(f.read(MessageKind::Query, &changed(&f.query, query)), refused);
    for field in [0, 8, 12] {
        assert_eq!(f.read(MessageKind::Answer, &changed(&f.answer, answer + field)), refused, "byte {field}");
    }
}

#[test]
fn garbage_behind_a_good_header_is_refused() {
    let mut rng = ChaCha20Rng::from_seed([15; 32]);
    for (f, kind, bytes) in all() {
        let mut garbage = bytes.to_vec();
        rng.fill_bytes(&mut garbage[HEADER..]);
        assert!(matches!(f.read(kind, &garbage), Err(MessageError::Part { part: 0, .. })), "{kind}");
    }
}

#[test]
fn inputs_of_the_wrong_size_are_refused() {
    for Fixture { client, .. } in &*FIXTURES {
        let mut rng = ChaCha20Rng::from_seed([16; 32]);
        for found in [0, 15, 17] {
            let error = client.encrypt(&vec![0; found], &mut rng).unwrap_err();
            assert_eq!(error, RunError::Input { expected: 16, found });
        }
        assert!(matches!(client.encrypt(&[i64::MAX; 16], &mut rng), Err(RunError::Range { index: 0, .. })));
    }
}
