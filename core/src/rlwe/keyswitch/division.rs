//! Division by the special primes, and by some of the last ciphertext primes with them.

use alloc::boxed::Box;

use super::ScaleDown;
use crate::modulus::Shoup;
use crate::poly::Ring;
use crate::rns::crt_inverse;

/// Division of what is modulo `Q·P` by `P·D`, for the product `D` of the last primes of `Q`, with one rounding: key
/// switching alone has `D = 1`, with rescaling one prime.
///
/// What is divided is there as in keys, times `P^-1` on the limbs of `Q`: with the centred remainder `r` modulo `P·D`, what is
/// left to do for a value `x` on a limb that stays is `(x - P^-1·r)·D^-1`.
#[derive(Clone, Debug)]
pub(super) struct Division {
    down: ScaleDown,
    /// How many limbs of `Q` stay.
    kept: usize,
    /// `-P^-1` modulo each limb that stays.
    factors: Box<[Shoup]>,
    /// For each limb of `Q`, unless it is 1: `D^-1` on those that stay, and `P` on those that go, where the value itself is
    /// needed.
    times: Box<[Option<Shoup>]>,
}

impl Division {
    /// For the ring modulo `Q·P`, of whose limbs the first `level` are those of `Q`, and the last `drop` of these go.
    pub(super) fn new(ring: &Ring, level: usize, drop: usize) -> Self {
        let kept = level - drop;
        let [special, dropped] =
            [level..ring.basis().len(), kept..level].map(|limbs| ring.select(limbs).basis().product());
        let (stay, go) = ring.moduli()[..level].split_at(kept);
        let inverse = |q: &crate::modulus::Modulus| (drop > 0).then(|| q.shoup(crt_inverse(q, &dropped)));
        let product = |q: &crate::modulus::Modulus| Some(q.shoup(crate::rns::residue_vartime(&special, q)));
        Self {
            down: ScaleDown::new(ring, kept),
            kept,
            factors: stay.iter().map(|q| q.shoup(q.neg(crt_inverse(q, &special)))).collect(),
            times: stay.iter().map(inverse).chain(go.iter().map(product)).collect(),
        }
    }

    /// How many limbs of `Q` stay.
    pub(super) const fn kept(&self) -> usize {
        self.kept
    }

    /// The remainder's part: how it is prepared and read off.
    pub(super) const fn down(&self) -> &ScaleDown {
        &self.down
    }

    /// What the remainder is multiplied with on a limb that stays, before it is added.
    pub(super) fn factor(&self, i: usize) -> Shoup {
        self.factors[i]
    }

    /// The factor of the whole sum on a limb.
    pub(super) fn times(&self, i: usize) -> Option<Shoup> {
        self.times.get(i).copied().flatten()
    }
}
