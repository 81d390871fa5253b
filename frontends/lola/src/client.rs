//! The client half: holds the secret key, turns inputs into queries and answers into logits.

use core::fmt;

use rand_core::CryptoRng;
use tacit_core::bfv::{Ciphertext, Private};
use tacit_core::error::EvalError;
use tacit_core::rlwe::{EvaluationKeys, SecretKey};
use tacit_core::wire;
use zeroize::Zeroizing;

use crate::error::{MessageError, MessageKind, RunError};
use crate::message;
use crate::spec::Spec;

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
        Ok(message::write(MessageKind::EvaluationKeys, self.spec.fingerprint, self.spec.params(), keys).to_vec())
    }

    /// Encrypts an input of the network: integers, as the network's input scale makes them.
    ///
    /// # Errors
    /// [`RunError::Input`] for the wrong number of values, [`RunError::Eval`] for a value outside the plaintext range.
    pub fn encrypt(&self, input: &[i64], rng: &mut impl CryptoRng) -> Result<Vec<u8>, RunError> {
        let Spec { bfv, layout, inputs, .. } = self.spec;
        if input.len() != *inputs {
            return Err(RunError::Input { expected: *inputs, found: input.len() });
        }
        let mut messages = Vec::with_capacity(layout.len());
        for slots in layout {
            let values = slots.iter().map(|index| index.map_or(0, |i| i128::from(input[i]))).collect();
            let values: Zeroizing<Vec<i128>> = Zeroizing::new(values);
            messages.push(bfv.encrypt(&self.secret, &bfv.encode(&values)?, rng)?);
        }
        Ok(message::write(MessageKind::Query, self.spec.fingerprint, self.spec.params(), &messages).to_vec())
    }

    /// Decrypts an answer to the logits.
    ///
    /// # Errors
    /// [`RunError::Message`] for malformed bytes, [`RunError::Eval`] if the noise bound says that they could be wrong.
    pub fn decrypt(&self, bytes: &[u8]) -> Result<Private<Vec<i128>>, RunError> {
        let Spec { bfv, answer, answer_messages, answer_level, .. } = self.spec;
        let part_len = wire::ciphertext_len(self.spec.params(), *answer_level, 2);
        let read = message::read::<Ciphertext>;
        let (of, params) = (self.spec.fingerprint, self.spec.params());
        let parts = read(MessageKind::Answer, of, params, bytes, *answer_messages, part_len)?;
        let mut messages = Vec::with_capacity(parts.len());
        for (part, ciphertext) in parts.iter().enumerate() {
            let (level, size) = (ciphertext.level(), ciphertext.size());
            if level != *answer_level || size != 2 {
                return Err(MessageError::Form { part, level, size, expected: *answer_level }.into());
            }
            messages.push(bfv.decrypt(&self.secret, ciphertext)?.map(|plaintext| bfv.decode(&plaintext)));
        }
        Ok(Private::collect(messages)
            .map(|messages| answer.iter().map(|&(message, slot)| messages[message][slot]).collect()))
    }
}
