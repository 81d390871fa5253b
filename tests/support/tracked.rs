//! A ciphertext beside the integers that it must hold, and the check of both and of the noise bound.

use rand_core::Rng;
use tacit_core::bfv::Ciphertext;

use super::party::Party;

/// A program's state: the ciphertext and the integers that it must hold.
pub(crate) struct Tracked {
    pub(crate) ciphertext: Ciphertext,
    pub(crate) values: Vec<i128>,
}

impl Party {
    pub(crate) fn fresh(&mut self, bits: u32) -> Tracked {
        let values: Vec<i128> =
            (0..self.params().degree()).map(|_| i128::from(self.rng.next_u64() as i64) >> (64 - bits)).collect();
        Tracked { ciphertext: self.encrypt(&values), values }
    }

    /// Checks the value, that the bound holds, and that it holds by no more than `slack` bits.
    pub(crate) fn check(&self, what: &str, tracked: &Tracked, slack: f64) {
        let values: Vec<i128> = tracked.values.iter().map(|&x| self.centre(x)).collect();
        assert!(self.decrypt(&tracked.ciphertext) == values, "{what}: wrong values");
        let bound = tracked.ciphertext.noise().log2();
        let noise = self.bfv.measured_noise_log2(&self.secret, &tracked.ciphertext);
        let (n, streams) = (self.params().degree(), self.params().plain_moduli().len());
        println!("{what}, n = {n}, {streams} moduli: noise {noise:.2}, bound {bound:.2}, slack {:.2}", bound - noise);
        assert!(noise <= bound, "{what}: noise {noise:.2} above its bound {bound:.2}");
        assert!(bound <= noise + slack, "{what}: bound {bound:.2}, noise {noise:.2}, more than {slack} apart");
    }
}
