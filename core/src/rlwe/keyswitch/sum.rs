//! Sums of rotations of several ciphertexts, divided by `P` once.

use super::division::Division;
use super::switcher::{Path, Prepared, Product, Room, Switcher, limbs};
use super::{EvaluationKeys, Gadget, GaloisKey};
use crate::backend::{Backend, KeyRows, PairFinish};
use crate::modulus::Shoup;
use crate::poly::{Eval, Poly, Scratch};

/// A ciphertext of two parts, and the keys of the images of it that are added up; without a key, itself.
pub(crate) type Images<'a, K> = (&'a [Poly<Eval>], K);

impl Switcher {
    /// How many divisions a sum takes: one for each gadget of its keys.
    pub(crate) fn divisions<'a>(&self, keys: &(impl Iterator<Item = &'a GaloisKey> + Clone)) -> usize {
        self.gadgets().filter(|&gadget| keys.clone().any(|key| key.gadget() == gadget)).count()
    }

    /// The sum of images that take no key, of which there is at least one.
    pub(crate) fn sum_still<'a, K>(&self, terms: impl Iterator<Item = Images<'a, K>>, out: &mut [Poly<Eval>])
    where
        K: Iterator<Item = Option<&'a GaloisKey>>,
    {
        let images = terms.flat_map(|(parts, keys)| keys.map(move |_| parts));
        for (number, parts) in images.enumerate() {
            for (out, part) in out.iter_mut().zip(parts) {
                if number == 0 { out.copy_from(part) } else { self.ring().add_assign(out, part) }
            }
        }
    }

    /// The sum of images of ciphertexts, of which at least one takes a key, divided by the last `drop` ciphertext primes too.
    ///
    /// Limb by limb: the digits of each ciphertext are extended to a limb, multiplied with all keys, and the products added
    /// where they belong, while all of it is in the cache. Cost for `t` ciphertexts and keys of one gadget, with `d` digits at
    /// `l` limbs and `α` special primes: `t·d·(l + α) + 2·(l + α)` transforms.
    pub(crate) fn sum_images<'a, K>(
        &self,
        terms: &(impl Iterator<Item = Images<'a, K>> + Clone),
        drop: usize,
        out: &mut [Poly<Eval>],
        scratch: &mut Scratch,
    ) where
        K: Iterator<Item = Option<&'a GaloisKey>> + Clone,
    {
        let keys = terms.clone().flat_map(|(_, keys)| keys).flatten();
        let used = |gadget: &Gadget| keys.clone().any(|key| key.gadget() == *gadget);
        for (number, gadget) in self.gadgets().filter(used).enumerate() {
            let path = self.path(gadget);
            let sum = Sum { switcher: self, path, division: path.division(drop), first: number == 0 };
            sum.run(terms.clone(), out, scratch);
        }
    }
}

/// A ciphertext with its second part ready to be extended, and the keys of its images.
struct Turned<'p, 'a, K> {
    prepared: Prepared<'p>,
    parts: &'a [Poly<Eval>],
    keys: K,
}

/// The part of a sum whose keys have one gadget; the first such part has the images without keys.
#[derive(Clone, Copy)]
struct Sum<'s> {
    switcher: &'s Switcher,
    path: &'s Path,
    division: &'s Division,
    first: bool,
}

impl<'s> Sum<'s> {
    fn run<'a, K>(
        &self,
        terms: impl Iterator<Item = Images<'a, K>> + Clone,
        out: &mut [Poly<Eval>],
        scratch: &mut Scratch,
    ) where
        K: Iterator<Item = Option<&'a GaloisKey>> + Clone,
    {
        let (path, division) = (self.path, self.division);
        let turned = terms.clone().filter(|(_, keys)| self.keys(keys).next().is_some());
        let len = path.prepared_len();
        let mut words = scratch.words(turned.clone().count() * len);
        for (words, (parts, _)) in words.chunks_exact_mut(len).zip(turned.clone()) {
            self.switcher.prepare(path, &parts[1], words);
        }
        let turned = words.chunks_exact(len).zip(turned);
        let turned = turned.map(|(words, (parts, keys))| Turned { prepared: path.prepared(words), parts, keys });
        let still = terms.flat_map(|(parts, keys)| keys.filter(Option::is_none).map(move |_| parts));
        let still = still.filter(|_| self.first);

        let mut room = Room::new(path, division, path.digit_count(), scratch);
        let [low_b, low_a] = &mut room.low;
        let degree = path.degree();
        for (i, (b, a)) in low_b.chunks_exact_mut(degree).zip(low_a.chunks_exact_mut(degree)).enumerate() {
            let i = division.kept() + i;
            let begun = self.still(i, still.clone(), None, [&mut *b, &mut *a], false);
            self.turned(i, turned.clone(), 0, &mut room.rows, [b, a], begun);
        }
        let ([low_b, low_a], [buffer_b, buffer_a]) = (&mut room.low, &mut room.buffers);
        let prepared = [division.down().prepare(low_b, buffer_b), division.down().prepare(low_a, buffer_a)];
        for i in 0..division.kept() {
            let mut ahead = self.ahead(i, turned.clone().next().as_ref(), 2);
            let first = [ahead.next().unwrap_or_default(), ahead.next().unwrap_or_default()];
            let scaled = path.remainders(division, i, prepared, &mut room.remainders, first);
            let begun = self.still(i, still.clone(), Some(scaled), limbs(out, i), !self.first);
            self.turned(i, turned.clone(), 2, &mut room.rows, limbs(out, i), begun);
        }
        room.give(scratch);
        scratch.give(words);
    }

    /// The keys of the sum's gadget.
    fn keys<'a, K>(&self, keys: &K) -> impl Iterator<Item = &'a GaloisKey> + Clone + use<'a, K>
    where
        K: Iterator<Item = Option<&'a GaloisKey>> + Clone,
    {
        let gadget = self.path.gadget();
        keys.clone().flatten().filter(move |key| key.gadget() == gadget)
    }

    /// Adds what takes no key modulo one key limb; whether anything is there then.
    fn still<'a>(
        &self,
        i: usize,
        images: impl Iterator<Item = &'a [Poly<Eval>]>,
        mut scaled: Option<([&[u64]; 2], Shoup)>,
        [b, a]: [&mut [u64]; 2],
        begun: bool,
    ) -> bool {
        // Multiples of `P` are 0 modulo the special primes.
        let level = self.switcher.level();
        let mut images = images.filter(|_| i < level).map(|parts| [0, 1].map(|half| parts[half].limb(i)));
        let mut accumulate = begun;
        loop {
            let image = images.next();
            if image.is_none() && scaled.is_none() {
                return accumulate;
            }
            let addends = image.map_or([None; 2], |image| image.map(Some));
            let finish =
                PairFinish { scaled: scaled.take(), addends, times: self.division.times(i), order: None, accumulate };
            let (kernels, q) = (self.path.kernels(), &self.path.moduli()[i]);
            kernels.switch_pair(q, [&mut *b, &mut *a], &[], KeyRows::new(&[], 0), &finish);
            accumulate = true;
        }
    }

    /// Adds the images that take keys modulo one key limb. So many transforms were done in this limb before.
    fn turned<'p, 'a, K>(
        &self,
        i: usize,
        terms: impl Iterator<Item = Turned<'p, 'a, K>>,
        done: usize,
        rows: &mut [u64],
        [b, a]: [&mut [u64]; 2],
        begun: bool,
    ) where
        K: Iterator<Item = Option<&'a GaloisKey>> + Clone,
    {
        let mut accumulate = begun;
        for (number, term) in terms.enumerate() {
            let done = if number == 0 { done } else { 0 };
            let ahead = self.ahead(i, Some(&term), done).skip(done);
            let Turned { prepared, parts, .. } = term;
            self.switcher.extend_limb(self.path, i, prepared, rows, ahead);
            for key in self.keys(&term.keys) {
                let finish = PairFinish { times: self.division.times(i), accumulate, ..key.limb_finish(&parts[0], i) };
                let product = Product::fresh(&parts[1], prepared, rows, key.key());
                self.switcher.multiply_limb(self.path, i, product, [&mut *b, &mut *a], &finish);
                accumulate = true;
            }
        }
    }

    /// What the products of a ciphertext will read of its keys, in pieces for its transforms modulo one key limb, `before` of
    /// which come first.
    fn ahead<'a, K>(
        &self,
        i: usize,
        term: Option<&Turned<'_, 'a, K>>,
        before: usize,
    ) -> impl Iterator<Item = &'a [u64]> + use<'s, 'a, K>
    where
        K: Iterator<Item = Option<&'a GaloisKey>> + Clone,
    {
        let keys = term.map(|term| self.keys(&term.keys));
        let transforms = before + self.path.extensions(i);
        let pieces = transforms.div_ceil(keys.clone().map_or(1, |keys| keys.count().max(1))).max(1);
        let switcher = self.switcher;
        let words = keys.into_iter().flatten().map(move |key| key.key().rows(switcher.in_key(i, key.key())).words());
        words.flat_map(move |words| words.chunks(words.len().div_ceil(pieces)))
    }
}

/// The keys of automorphisms that are there: what is missing was refused before.
pub(crate) fn images(
    keys: &EvaluationKeys,
    level: usize,
    elements: impl Iterator<Item = usize> + Clone,
) -> impl Iterator<Item = Option<&GaloisKey>> + Clone {
    elements.filter_map(move |element| keys.switching(element, level).ok())
}

#[cfg(test)]
mod tests;
