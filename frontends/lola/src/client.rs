//! The client half: holds the secret key, turns inputs into queries and answers into logits.

use core::fmt;

use rand_core::CryptoRng;
use tacit_core::bfv::{self, Bfv, Private};
use tacit_core::ckks::{self, Ckks, Complex};
use tacit_core::error::EvalError;
use tacit_core::rlwe::{EvaluationKeys, SecretKey};
use tacit_core::wire::Wire;
use zeroize::Zeroizing;

use crate::error::{MessageError, MessageKind, RunError};
use crate::message;
use crate::representation::Cell;
use crate::spec::{Crypto, Spec};

/// A client of one deployment. Bytes in, bytes out.
pub struct Client<'a> {
    spec: &'a Spec,
    secret: SecretKey,
}

impl fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("deployment", &self.spec.fingerprint).finish_non_exhaustive()
    }
}

impl Spec {
    /// A client with a fresh secret key.
    #[must_use]
    pub fn client(&self, rng: &mut impl CryptoRng) -> Client<'_> {
        Client { spec: self, secret: SecretKey::generate(self.params(), rng) }
    }

    /// A client with the secret key that [`Client::secret_key`] wrote.
    ///
    /// # Errors
    /// [`MessageError`] if the bytes are no secret key of this deployment.
    pub fn client_with_key(&self, bytes: &[u8]) -> Result<Client<'_>, MessageError> {
        let secret = message::read_one(MessageKind::SecretKey, self.fingerprint, self.params(), bytes)?;
        Ok(Client { spec: self, secret })
    }
}

impl Client<'_> {
    /// The secret key, to be kept.
    #[must_use]
    pub fn secret_key(&self) -> Zeroizing<Vec<u8>> {
        let secret = core::slice::from_ref(&self.secret);
        message::write(MessageKind::SecretKey, self.spec.fingerprint, self.spec.params(), secret)
    }

    /// The evaluation keys, for the server. Public.
    ///
    /// # Errors
    /// [`EvalError`] if the spec asks for a level that the parameters do not have.
    pub fn evaluation_keys(&self, rng: &mut impl CryptoRng) -> Result<Vec<u8>, EvalError> {
        let keys = EvaluationKeys::generate(&self.secret, &self.spec.request, rng)?;
        let keys = core::slice::from_ref(&keys);
        Ok(message::write_public(MessageKind::EvaluationKeys, self.spec.fingerprint, self.spec.params(), keys))
    }

    /// Encrypts an input of the network: integers, as the network's input scale makes them.
    ///
    /// # Errors
    /// [`RunError::Input`] for the wrong number of values, [`RunError::Range`] for a value that the network does not read,
    /// [`RunError::Eval`] for a value outside the plaintext range.
    pub fn encrypt(&self, input: &[i64], rng: &mut impl CryptoRng) -> Result<Vec<u8>, RunError> {
        self.encrypt_batch(&[input], rng)
    }

    /// Encrypts one to [`Spec::batch`] inputs as one query: it takes the server as long as a full one.
    ///
    /// # Errors
    /// [`RunError::Batch`] for another number of inputs; those of [`Client::encrypt`].
    pub fn encrypt_batch(&self, inputs: &[impl AsRef<[i64]>], rng: &mut impl CryptoRng) -> Result<Vec<u8>, RunError> {
        let inputs: Vec<&[i64]> = inputs.iter().map(AsRef::as_ref).collect();
        if !(1..=self.spec.batch).contains(&inputs.len()) {
            return Err(RunError::Batch { found: inputs.len(), most: self.spec.batch });
        }
        inputs.iter().try_for_each(|input| self.check(input))?;
        match &self.spec.crypto {
            Crypto::Bfv(bfv) => self.encrypt_exact(bfv, &inputs, rng),
            Crypto::Ckks(ckks) => self.encrypt_approximate(ckks, &inputs, rng),
        }
    }

    fn encrypt_exact(&self, bfv: &Bfv, inputs: &[&[i64]], rng: &mut impl CryptoRng) -> Result<Vec<u8>, RunError> {
        let message = |cells: &Vec<Cell>| {
            let values = self.slots(cells, inputs);
            let values = values.map(|(input, cell)| cell.re().map_or(0, |value| i128::from(input[value])));
            let values: Zeroizing<Vec<i128>> = Zeroizing::new(values.collect());
            bfv.encrypt(&self.secret, &bfv.encode(&values)?, rng)
        };
        self.query(self.spec.layout.cells().iter().map(message))
    }

    /// What a message holds: for each slot the input that it is about, and what of it.
    fn slots<'b>(&self, cells: &'b [Cell], inputs: &'b [&'b [i64]]) -> impl Iterator<Item = (&'b [i64], Cell)> {
        let batched = self.spec.batch > 1;
        let slot = move |i: usize| if batched { (inputs[i], cells[0]) } else { (inputs[0], cells[i]) };
        (0..if batched { inputs.len() } else { cells.len() }).map(slot)
    }

    fn encrypt_approximate(
        &self,
        ckks: &Ckks,
        inputs: &[&[i64]],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, RunError> {
        let (encoding, unit) = self.input_encoding();
        let part = |input: &[i64], value: Option<usize>| value.map_or(0.0, |value| input[value] as f64 * unit);
        let message = |cells: &Vec<Cell>| {
            let values = self.slots(cells, inputs);
            let values = values.map(|(input, cell)| Complex::new(part(input, cell.re()), part(input, cell.im())));
            let values: Zeroizing<Vec<Complex>> = Zeroizing::new(values.collect());
            ckks.encrypt(&self.secret, &ckks.encode_complex(&values, &encoding)?, rng)
        };
        self.query(self.spec.layout.cells().iter().map(message))
    }

    fn query<T: Wire>(&self, messages: impl Iterator<Item = Result<T, EvalError>>) -> Result<Vec<u8>, RunError> {
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        Ok(message::write_public(MessageKind::Query, self.spec.fingerprint, self.spec.params(), &messages))
    }

    fn check(&self, input: &[i64]) -> Result<(), RunError> {
        let Spec { inputs, input_range, .. } = self.spec;
        if input.len() != *inputs {
            return Err(RunError::Input { expected: *inputs, found: input.len() });
        }
        let outside = input.iter().position(|&value| !input_range.contains(value.into()));
        outside.map_or(Ok(()), |index| {
            Err(RunError::Range { index, value: input[index], low: input_range.low(), high: input_range.high() })
        })
    }

    /// How the input is encoded, and what an integer is multiplied by before.
    fn input_encoding(&self) -> (ckks::Encoding, f64) {
        let Spec { query, input_range, layout, .. } = self.spec;
        let unit = f64::from(-query.encoded.exponent).exp2();
        let largest = input_range.magnitude().max(1) as f64 * unit;
        let bound = if layout.is_paired() { largest * core::f64::consts::SQRT_2 } else { largest };
        // Rounding of the products above must not exceed it.
        (ckks::Encoding { level: query.level, scale: query.encoded.scale, bound: bound * (1.0 + 1e-9) }, unit)
    }

    /// Decrypts an answer to the logits.
    ///
    /// # Errors
    /// [`RunError::Message`] for malformed bytes, [`RunError::Eval`] if the noise bound says that they could be wrong.
    pub fn decrypt(&self, bytes: &[u8]) -> Result<PrivateLogits, RunError> {
        let messages = match &self.spec.crypto {
            Crypto::Bfv(bfv) => self.decrypt_exact(bfv, bytes)?,
            Crypto::Ckks(ckks) => self.decrypt_approximate(ckks, bytes)?,
        };
        Ok(PrivateLogits { messages, places: self.spec.answer.places.clone(), batch: self.spec.batch })
    }

    fn decrypt_exact(&self, bfv: &Bfv, bytes: &[u8]) -> Result<Decrypted, RunError> {
        let whole = |part, ciphertext: &bfv::Ciphertext| {
            self.check_form(part, ciphertext.level(), ciphertext.size())?;
            Ok(bfv.decrypt(&self.secret, ciphertext)?)
        };
        let traced = |part, ciphertext: &bfv::TracedCiphertext| {
            self.check_form(part, ciphertext.level(), 2)?;
            Ok(bfv.decrypt_traced(&self.secret, ciphertext)?)
        };
        let messages = match self.spec.answer.period {
            None => self.each_part(bytes, whole)?,
            Some(_) => self.each_part(bytes, traced)?,
        };
        let messages = messages.into_iter().map(|message| message.map(|plaintext| bfv.decode(&plaintext)));
        Ok(Decrypted::Exact(Private::collect(messages)))
    }

    fn decrypt_approximate(&self, ckks: &Ckks, bytes: &[u8]) -> Result<Decrypted, RunError> {
        let Spec { result, answer, .. } = self.spec;
        let as_planned = |part, found: (ckks::Scale, ckks::Bounds)| {
            if found == (result.encoded.scale, result.bounds) { Ok(()) } else { Err(MessageError::Scale { part }) }
        };
        let whole = |part, ciphertext: &ckks::Ciphertext| {
            self.check_form(part, ciphertext.level(), ciphertext.size())?;
            as_planned(part, (ciphertext.scale(), ciphertext.bounds()))?;
            Ok(ckks.decrypt(&self.secret, ciphertext)?)
        };
        let traced = |part, ciphertext: &ckks::TracedCiphertext| {
            self.check_form(part, ciphertext.level(), 2)?;
            as_planned(part, (ciphertext.scale(), ciphertext.bounds()))?;
            Ok(ckks.decrypt_traced(&self.secret, ciphertext)?)
        };
        let messages = match answer.period {
            None => self.each_part(bytes, whole)?,
            Some(_) => self.each_part(bytes, traced)?,
        };
        let unit = f64::from(result.encoded.exponent).exp2() / answer.factor as f64;
        Ok(Decrypted::Approximate { messages, unit })
    }

    /// The messages of an answer, decrypted.
    fn each_part<T: Wire, D>(
        &self,
        bytes: &[u8],
        decrypt: impl Fn(usize, &T) -> Result<D, RunError>,
    ) -> Result<Vec<D>, RunError> {
        let (of, params, len) = (self.spec.fingerprint, self.spec.params(), self.spec.answer_part_len());
        let parts: Vec<T> = message::read(MessageKind::Answer, of, params, bytes, self.spec.answer_messages, len)?;
        parts.iter().enumerate().map(|(part, ciphertext)| decrypt(part, ciphertext)).collect()
    }

    /// Of traces only the level is left to check: those of other periods have other lengths.
    fn check_form(&self, part: usize, level: usize, size: usize) -> Result<(), MessageError> {
        let expected = self.spec.result.level;
        if (level, size) == (expected, 2) { Ok(()) } else { Err(MessageError::Form { part, level, size, expected }) }
    }
}

/// Decrypted logits, to be kept by the key's owner; wiped on drop. [`PrivateLogits::release`] is the explicit way out.
///
/// Approximate ones are as secret as the key until they are released: see [`ckks::Decrypted`].
#[derive(Debug)]
pub struct PrivateLogits {
    messages: Decrypted,
    /// Message and slot of each logit of the first input; those of the others are in the slots that follow.
    places: Vec<(usize, usize)>,
    batch: usize,
}

#[derive(Debug)]
enum Decrypted {
    /// The factor of exact answers is 1: no secret is divided.
    Exact(Private<Vec<Zeroizing<Vec<i128>>>>),
    Approximate {
        messages: Vec<ckks::Decrypted>,
        unit: f64,
    },
}

/// The network's outputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Logits {
    /// As the clear interpreter computes them.
    Exact(Vec<i128>),
    /// In the same units, each with an error of at most `error`.
    Approximate {
        /// The values.
        values: Vec<f64>,
        /// The bound on the error: what rounding to the released precision leaves, noise included.
        error: f64,
        /// The index of the largest before that rounding.
        largest: Option<usize>,
    },
}

impl PrivateLogits {
    /// The logits; approximate ones rounded to the precision that the noise bound vouches for. Of a batch, those of the
    /// first input.
    ///
    /// # Errors
    /// [`RunError::Eval`] if the noise bound vouches for nothing.
    pub fn release(self) -> Result<Logits, RunError> {
        let mut logits = self.release_batch(1)?;
        Ok(logits.swap_remove(0))
    }

    /// The logits of the first `inputs` inputs of a batch.
    ///
    /// # Errors
    /// [`RunError::Batch`] if a query does not take so many; those of [`PrivateLogits::release`].
    pub fn release_batch(self, inputs: usize) -> Result<Vec<Logits>, RunError> {
        let Self { messages, places, batch } = self;
        if !(1..=batch).contains(&inputs) {
            return Err(RunError::Batch { found: inputs, most: batch });
        }
        let at = |input: usize| places.iter().map(move |&(message, slot)| (message, slot + input));
        Ok(match messages {
            Decrypted::Exact(messages) => {
                let slots = messages.release();
                let values = |input| at(input).map(|(message, slot)| slots[message][slot]).collect();
                (0..inputs).map(|input| Logits::Exact(values(input))).collect()
            }
            Decrypted::Approximate { messages, unit } => {
                let largest = |input| {
                    ckks::Decrypted::release_largest(at(input).map(|(message, slot)| (&messages[message], slot)))
                };
                let largest: Vec<_> = (0..inputs).map(largest).collect();
                let mut error: f64 = 0.0;
                let mut slots = Vec::with_capacity(messages.len());
                for message in messages {
                    let bits = message.available_bits();
                    error = error.max(message.error() + f64::from(-bits).exp2() / 2.0);
                    slots.push(Zeroizing::new(message.release_real(bits)?));
                }
                let values = |input| at(input).map(|(message, slot)| slots[message][slot] * unit).collect();
                let logits =
                    |(input, largest)| Logits::Approximate { values: values(input), error: error * unit, largest };
                (0..inputs).zip(largest).map(logits).collect()
            }
        })
    }
}

impl Logits {
    /// The index of the largest, the first of them if there are several; `None` if there is none. Of approximate values
    /// the largest before they were rounded for release.
    #[must_use]
    pub fn argmax(&self) -> Option<usize> {
        match self {
            Self::Exact(values) => tacit_model::argmax(values),
            Self::Approximate { largest, .. } => *largest,
        }
    }

    /// The values as integers, approximate ones rounded.
    #[must_use]
    pub fn integers(&self) -> Vec<i128> {
        match self {
            Self::Exact(values) => values.clone(),
            Self::Approximate { values, .. } => values.iter().map(|value| value.round() as i128).collect(),
        }
    }

    /// The bound on the error of approximate values.
    #[must_use]
    pub const fn error(&self) -> Option<f64> {
        match self {
            Self::Exact(_) => None,
            Self::Approximate { error, .. } => Some(*error),
        }
    }

    /// Whether no value is further from the clear interpreter's than the bound on the error.
    #[must_use]
    pub fn agree_with(&self, clear: &[i128]) -> bool {
        self.len() == clear.len() && self.largest_difference(clear) <= self.error().unwrap_or(0.0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Exact(values) => values.len(),
            Self::Approximate { values, .. } => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest difference to the values of the clear interpreter.
    #[must_use]
    pub fn largest_difference(&self, clear: &[i128]) -> f64 {
        let differences: Vec<f64> = match self {
            Self::Exact(values) => values.iter().zip(clear).map(|(a, b)| a.abs_diff(*b) as f64).collect(),
            Self::Approximate { values, .. } => values.iter().zip(clear).map(|(a, b)| (a - *b as f64).abs()).collect(),
        };
        differences.into_iter().fold(0.0, f64::max)
    }
}
