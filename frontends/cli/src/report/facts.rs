//! The figures of a deployment: parameters, counts, bytes, noise.

use serde::Serialize;
use tacit_core::backend::Backend;
use tacit_core::params::Params;
use tacit_lola::Deployment;
use tacit_lola::plan::Register;

use super::units::{bytes, grouped};

/// The figures. All are absent where nothing is encrypted.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Facts {
    pub(crate) ring_degree: Option<usize>,
    pub(crate) log2_qp: Option<u64>,
    pub(crate) log2_qp_limit: Option<u32>,
    pub(crate) security_bits: Option<u32>,
    pub(crate) plain_moduli: Option<Vec<u64>>,
    pub(crate) ciphertext_primes: Option<usize>,
    pub(crate) special_primes: Option<usize>,
    pub(crate) backend: Option<&'static str>,
    /// Inputs of a query.
    pub(crate) batch: Option<usize>,
    pub(crate) operations: Option<usize>,
    pub(crate) key_switches: Option<usize>,
    pub(crate) key_products: Option<usize>,
    pub(crate) plain_products: Option<usize>,
    pub(crate) scalar_products: Option<usize>,
    pub(crate) upload_bytes: Option<usize>,
    pub(crate) download_bytes: Option<usize>,
    pub(crate) key_bytes: Option<usize>,
    pub(crate) keys: Option<usize>,
    pub(crate) noise_bits: Option<f64>,
    pub(crate) noise_limit_bits: Option<f64>,
}

impl Facts {
    pub(crate) fn of(deployment: &Deployment) -> Self {
        let (spec, lowered) = (deployment.spec(), deployment.lowered());
        let (params, cost) = (spec.params(), lowered.plan().cost());
        let (noise, limit) = noise(deployment, lowered.plan().outputs());
        Self {
            ring_degree: Some(params.degree()),
            log2_qp: Some(params.log2_qp()),
            log2_qp_limit: params.security().limit(params.degree()),
            security_bits: Some(params.security().bits()),
            plain_moduli: Some(params.plain_moduli().to_vec()),
            ciphertext_primes: Some(params.ciphertext_primes().len()),
            special_primes: Some(params.special_primes().len()),
            backend: Some(params.kernels().name()),
            batch: Some(spec.batch()),
            operations: Some(lowered.plan().ops().len()),
            key_switches: Some(cost.key_switches()),
            key_products: Some(cost.key_products()),
            plain_products: Some(cost.plain_products),
            scalar_products: Some(cost.scalar_products),
            upload_bytes: Some(spec.query_len()),
            download_bytes: Some(spec.answer_len()),
            key_bytes: Some(spec.evaluation_keys_len()),
            keys: Some(spec.key_request().galois.len() + spec.key_request().relin.iter().count()),
            noise_bits: Some(noise),
            noise_limit_bits: Some(limit),
        }
    }
}

/// The noise bound of the register with the least room left, and the largest bound that decrypts at its level, as
/// `log2`.
pub(crate) fn noise(deployment: &Deployment, registers: &[Register]) -> (f64, f64) {
    let lowered = deployment.lowered();
    let states = registers.iter().map(|&register| lowered.state(register));
    let noises = states.map(|state| (state.noise.log2(), state.limit));
    noises.min_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0))).unwrap_or_default()
}

/// The parameters on short lines.
pub(crate) fn parameters(params: &Params) -> Vec<String> {
    let limit = params.security().limit(params.degree()).unwrap_or(0);
    let plain: Vec<String> = params.plain_moduli().iter().map(u64::to_string).collect();
    let primes = (params.ciphertext_primes().len(), params.special_primes().len());
    let bits: f64 = params.plain_moduli().iter().map(|&t| (t as f64).log2()).sum();
    let plain = (!plain.is_empty()).then(|| format!("plaintexts modulo {} ({bits:.0} bits)", plain.join(" · ")));
    let lines = [
        format!("ring degree {}, log2(QP) {} of at most {limit}", grouped(params.degree() as i128), params.log2_qp()),
        format!("{}-bit security; {} ciphertext, {} special primes", params.security().bits(), primes.0, primes.1),
    ];
    lines.into_iter().chain(plain).collect()
}

/// What goes over the wire, on one line.
pub(crate) fn traffic(deployment: &Deployment) -> String {
    let spec = deployment.spec();
    let [up, down, keys] = [spec.query_len(), spec.answer_len(), spec.evaluation_keys_len()].map(bytes);
    let inputs =
        if spec.batch() > 1 { format!(" for {} inputs", grouped(spec.batch() as i128)) } else { String::new() };
    format!("query {up} up{inputs}, answer {down} down, evaluation keys {keys} once")
}
