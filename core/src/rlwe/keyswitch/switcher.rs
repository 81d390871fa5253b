//! Key switching at one level, with any key that serves it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::division::Division;
use super::{Gadget, GaloisKey, KeySwitchKey, Raised};
use crate::backend::{AlignedWords, Backend, BlockOrder, Kernels, KeyRows, PairFinish};
use crate::modulus::{Modulus, Shoup};
use crate::params::{MAX_PRIMES, Params};
use crate::poly::{Eval, Poly, Ring, Scratch};
use crate::rns::BaseConverter;

/// Key switching at one level: for each gadget of the keys that serve it, the digit extensions and the division by `P`.
#[derive(Clone, Debug)]
pub(crate) struct Switcher {
    level: usize,
    ring: Ring,
    paths: Box<[Path]>,
}

/// Key switching at one level with keys of one gadget.
#[derive(Clone, Debug)]
pub(super) struct Path {
    gadget: Gadget,
    /// Modulo the level's primes and the gadget's special primes.
    key_ring: Ring,
    digits: Box<[Digit]>,
    /// By the special primes, and by the last ciphertext prime with them if there is another.
    divisions: Box<[Division]>,
}

/// One digit: its own limbs, and the conversion to all other key limbs.
#[derive(Clone, Debug)]
struct Digit {
    own: Range<usize>,
    converter: BaseConverter,
}

/// The digits of a ciphertext part modulo the key limbs that are not their own, in the evaluation domain: what rotations
/// of one part share. For keys of one gadget.
#[derive(Debug)]
pub(crate) struct Decomposed {
    gadget: Gadget,
    /// For each digit, for each key limb but its own.
    extensions: AlignedWords,
}

impl Decomposed {
    pub(crate) const fn gadget(&self) -> Gadget {
        self.gadget
    }

    /// Gives the buffers back.
    pub(crate) fn give(self, scratch: &mut Scratch) {
        scratch.give(self.extensions);
    }
}

impl Switcher {
    /// The switcher for a level and the keys of all levels from there on.
    pub(crate) fn new(params: &Params, level: usize) -> Self {
        let mut gadgets: Vec<Gadget> = Vec::new();
        for gadget in (level..=params.max_level()).map(|key_level| Gadget::at(params, key_level)) {
            if !gadgets.contains(&gadget) {
                gadgets.push(gadget);
            }
        }
        let paths = gadgets.into_iter().map(|gadget| Path::new(params, level, gadget)).collect();
        Self { level, ring: params.key_ring().select(0..level), paths }
    }

    /// `(b + x, a + y)` for `b + a·s ≈ part·s'` and addends `x` and `y`, the third and the first two polynomials of a product,
    /// divided by the last `drop` ciphertext primes, 0 or 1, with the same rounding. Cost at `l` limbs, `α` special primes and
    /// `d` digits: `d·(l + α) + 2·(l + α)` transforms.
    pub(crate) fn switch_add(
        &self,
        [x, y, part]: [&Poly<Eval>; 3],
        key: &KeySwitchKey,
        drop: usize,
        out: &mut [Poly<Eval>],
        scratch: &mut Scratch,
    ) {
        let path = self.path(key.gadget);
        let mut words = scratch.words(path.prepared_len());
        let product = Product::fresh(part, self.prepare(path, part, &mut words), &[], key);
        self.multiply_divide(product, Finish { addends: [Some(x), Some(y)], order: None, drop }, out, scratch);
        scratch.give(words);
    }

    /// The image of a ciphertext of two parts under the key's automorphism, under the same secret.
    pub(crate) fn rotate(&self, parts: &[Poly<Eval>], key: &GaloisKey, out: &mut [Poly<Eval>], scratch: &mut Scratch) {
        let path = self.path(key.key.gadget);
        let mut words = scratch.words(path.prepared_len());
        let prepared = self.prepare(path, &parts[1], &mut words);
        let product = Product::fresh(&parts[1], prepared, &[], &key.key);
        self.multiply_divide(product, key.finish(&parts[0]), out, scratch);
        scratch.give(words);
    }

    /// The digits of a part, for keys of a gadget. Cost: `d·(l + α)` transforms.
    pub(crate) fn decompose(&self, part: &Poly<Eval>, gadget: Gadget, scratch: &mut Scratch) -> Decomposed {
        let (path, degree) = (self.path(gadget), self.ring.degree());
        let limbs = path.digits.iter().map(|digit| path.key_ring.basis().len() - digit.own.len()).sum::<usize>();
        let mut extensions = scratch.words(limbs * degree);
        let mut words = scratch.words(path.prepared_len());
        let prepared = self.prepare(path, part, &mut words);
        let mut rows = extensions.chunks_exact_mut(degree);
        for (j, digit) in path.digits.iter().enumerate() {
            let others = (0..path.key_ring.basis().len()).filter(|i| !digit.own.contains(i));
            others.zip(rows.by_ref()).for_each(|(i, row)| path.extend(prepared, j, i, row, &[]));
        }
        scratch.give(words);
        Decomposed { gadget, extensions }
    }

    /// As [`Switcher::rotate`], with the digits of the second part. Cost: `2·(l + α)` transforms.
    pub(crate) fn rotate_hoisted(
        &self,
        parts: &[Poly<Eval>],
        digits: &Decomposed,
        key: &GaloisKey,
        out: &mut [Poly<Eval>],
        scratch: &mut Scratch,
    ) {
        let product = Product { part: &parts[1], digits: Digits::Hoisted(digits), key: &key.key };
        self.multiply_divide(product, key.finish(&parts[0]), out, scratch);
    }

    /// The image of a ciphertext under each of some automorphisms; without a key, a copy. Digits are found once for all
    /// neighbours whose keys take the same.
    pub(crate) fn rotate_each<'a>(
        &self,
        parts: &[Poly<Eval>],
        images: impl Iterator<Item = (Option<&'a GaloisKey>, &'a mut [Poly<Eval>])>,
        scratch: &mut Scratch,
    ) {
        let mut found: Option<Decomposed> = None;
        for (key, out) in images {
            let Some(key) = key else {
                out.iter_mut().zip(parts).for_each(|(out, part)| out.copy_from(part));
                continue;
            };
            if let Some(others) = found.take_if(|digits| digits.gadget != key.gadget()) {
                others.give(scratch);
            }
            let digits = found.get_or_insert_with(|| self.decompose(&parts[1], key.gadget(), scratch));
            self.rotate_hoisted(parts, digits, key, out, scratch);
        }
        found.into_iter().for_each(|digits| digits.give(scratch));
    }

    /// `P` times the image under the key's automorphism, modulo `Q·P`; without a key, `P` times the ciphertext. No
    /// transform.
    pub(crate) fn rotate_raised(
        &self,
        parts: &[Poly<Eval>],
        digits: &Decomposed,
        key: Option<&GaloisKey>,
        scratch: &mut Scratch,
    ) -> Raised {
        let mut out = Raised::new(self.raised_ring(digits.gadget), digits.gadget, scratch);
        match key {
            Some(key) => self.rotate_modulo_qp(parts, digits, key, &mut out),
            None => self.raise(parts, &mut out),
        }
        out
    }

    fn rotate_modulo_qp(&self, parts: &[Poly<Eval>], digits: &Decomposed, key: &GaloisKey, out: &mut Raised) {
        let path = self.path(digits.gadget);
        let product = Product { part: &parts[1], digits: Digits::Hoisted(digits), key: &key.key };
        for i in 0..path.key_ring.basis().len() {
            let outs = out.parts_mut().each_mut().map(|out| out.limb_mut(i));
            self.multiply_limb(path, i, product, outs, &key.limb_finish(&parts[0], i));
        }
    }

    /// `P` times a ciphertext, modulo `Q·P`.
    fn raise(&self, parts: &[Poly<Eval>], out: &mut Raised) {
        for (out, part) in out.parts_mut().iter_mut().zip(parts) {
            let (high, low) = out.residues_mut().split_at_mut(self.level * self.ring.degree());
            high.copy_from_slice(part.residues());
            low.fill(0);
        }
    }

    /// Division by `P` of what was raised. Cost: `2·(l + α)` transforms.
    pub(crate) fn lower(&self, mut raised: Raised, out: &mut [Poly<Eval>], scratch: &mut Scratch) {
        let (path, degree) = (self.path(raised.gadget()), self.ring.degree());
        let division = path.division(0);
        let [b, a] = raised.parts_mut().each_mut().map(|half| half.residues_mut().split_at_mut(self.level * degree));
        let len = division.down().buffer_len();
        let mut buffers = [scratch.words(len), scratch.words(len)];
        let mut remainders = [scratch.words(degree), scratch.words(degree)];
        let [buffer_b, buffer_a] = &mut buffers;
        let prepared = [division.down().prepare(b.1, buffer_b), division.down().prepare(a.1, buffer_a)];
        for i in 0..self.level {
            let addends = [&*b.0, &*a.0].map(|high| Some(&high[i * degree..(i + 1) * degree]));
            let scaled = Some(path.remainders(division, i, prepared, &mut remainders, [&[]; 2]));
            let finish = PairFinish { scaled, addends, ..PairFinish::default() };
            self.ring.kernels().switch_pair(&self.ring.moduli()[i], limbs(out, i), &[], KeyRows::new(&[], 0), &finish);
        }
        buffers.into_iter().chain(remainders).for_each(|words| scratch.give(words));
        raised.give(scratch);
    }

    /// The ring modulo `Q·P` of a gadget.
    pub(crate) fn raised_ring(&self, gadget: Gadget) -> &Ring {
        &self.path(gadget).key_ring
    }

    pub(super) const fn level(&self) -> usize {
        self.level
    }

    /// Modulo the level's primes.
    pub(super) const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Those of the keys that serve this level.
    pub(super) fn gadgets(&self) -> impl Iterator<Item = Gadget> + Clone {
        self.paths.iter().map(|path| path.gadget)
    }

    pub(super) fn path(&self, gadget: Gadget) -> &Path {
        let found = self.paths.iter().position(|path| path.gadget == gadget);
        debug_assert!(found.is_some(), "no key of a level from {} on has this gadget", self.level);
        &self.paths[found.unwrap_or_default()]
    }

    /// The product with a key, divided by `P`, and by ciphertext primes that go, and what follows. Limb by limb, so that a limb
    /// is in the cache from its digits to its place in the result.
    fn multiply_divide(&self, product: Product<'_>, finish: Finish<'_>, out: &mut [Poly<Eval>], scratch: &mut Scratch) {
        let (path, degree) = (self.path(product.key.gadget), self.ring.degree());
        let division = path.division(finish.drop);
        let mut room = Room::new(path, division, product.row_count(path), scratch);
        let words = |i: usize| product.key.rows(self.in_key(i, product.key)).words();
        let [low_b, low_a] = &mut room.low;
        for (i, (b, a)) in low_b.chunks_exact_mut(degree).zip(low_a.chunks_exact_mut(degree)).enumerate() {
            let i = division.kept() + i;
            self.extend_product(path, i, product, &mut room.rows, words(i).chunks(words(i).len().div_ceil(3)));
            // Multiples of `P` are 0 modulo the special primes.
            let addends = finish.addends.map(|part| part.filter(|_| i < self.level).map(|part| part.limb(i)));
            let finish = PairFinish { addends, times: division.times(i), ..PairFinish::default() };
            self.multiply_limb(path, i, product.with(&room.rows), [b, a], &finish);
        }
        let ([low_b, low_a], [buffer_b, buffer_a]) = (&mut room.low, &mut room.buffers);
        let prepared = [division.down().prepare(low_b, buffer_b), division.down().prepare(low_a, buffer_a)];
        for i in 0..division.kept() {
            let count = 2 + if matches!(product.digits, Digits::Fresh(..)) { path.digits.len() - 1 } else { 0 };
            let mut ahead = words(i).chunks(words(i).len().div_ceil(count));
            let first = [ahead.next().unwrap_or_default(), ahead.next().unwrap_or_default()];
            let scaled = Some(path.remainders(division, i, prepared, &mut room.remainders, first));
            self.extend_product(path, i, product, &mut room.rows, ahead);
            let addends = finish.addends.map(|part| part.map(|part| part.limb(i)));
            let (times, order) = (division.times(i), finish.order);
            let finish = PairFinish { scaled, addends, times, order, accumulate: false };
            self.multiply_limb(path, i, product.with(&room.rows), limbs(out, i), &finish);
        }
        room.give(scratch);
    }

    /// Where a key has this level's `i`-th key limb.
    pub(super) fn in_key(&self, i: usize, key: &KeySwitchKey) -> usize {
        if i < self.level { i } else { i + key.level - self.level }
    }

    /// The digits of a product that are not there, modulo one key limb, into `rows`.
    fn extend_product<'a>(
        &self,
        path: &Path,
        i: usize,
        product: Product<'_>,
        rows: &mut [u64],
        ahead: impl Iterator<Item = &'a [u64]>,
    ) {
        if let Digits::Fresh(prepared, _) = product.digits {
            self.extend_limb(path, i, prepared, rows, ahead);
        }
    }

    /// The digits modulo one key limb that is not their own, into `rows`.
    pub(super) fn extend_limb<'a>(
        &self,
        path: &Path,
        i: usize,
        prepared: Prepared<'_>,
        rows: &mut [u64],
        mut ahead: impl Iterator<Item = &'a [u64]>,
    ) {
        for (j, row) in rows.chunks_exact_mut(self.ring.degree()).enumerate() {
            if !path.digits[j].own.contains(&i) {
                path.extend(prepared, j, i, row, ahead.next().unwrap_or_default());
            }
        }
    }

    /// `Σ_j digit_j·key_j` modulo one key limb, for both halves of the key, which is read at this level's limbs, and what
    /// follows.
    pub(super) fn multiply_limb(
        &self,
        path: &Path,
        i: usize,
        Product { part, digits, key }: Product<'_>,
        outs: [&mut [u64]; 2],
        finish: &PairFinish<'_>,
    ) {
        let degree = self.ring.degree();
        let limbs = path.key_ring.basis().len();
        let mut xs: [&[u64]; MAX_PRIMES] = [&[]; MAX_PRIMES];
        let mut start = 0;
        for (j, (x, digit)) in xs.iter_mut().zip(&path.digits).enumerate() {
            *x = match (digit.other(i), digits) {
                (None, _) => part.limb(i),
                (Some(_), Digits::Fresh(_, rows)) => &rows[j * degree..(j + 1) * degree],
                (Some(other), Digits::Hoisted(digits)) => &digits.extensions[(start + other) * degree..][..degree],
            };
            start += limbs - digit.own.len();
        }
        let q = &path.key_ring.moduli()[i];
        self.ring.kernels().switch_pair(q, outs, &xs[..path.digits.len()], key.rows(self.in_key(i, key)), finish);
    }

    /// The coefficients of a part, ready to be extended, in [`Path::prepared_len`] words.
    pub(super) fn prepare<'a>(&self, path: &Path, part: &Poly<Eval>, words: &'a mut [u64]) -> Prepared<'a> {
        let degree = self.ring.degree();
        let (coefficients, mut rest) = words.split_at_mut(self.level * degree);
        coefficients.copy_from_slice(part.residues());
        coefficients.chunks_exact_mut(degree).enumerate().for_each(|(i, limb)| self.ring.inverse_row(i, limb));
        for digit in &path.digits {
            let (buffer, tail) = rest.split_at_mut(digit.converter.prepared_len(degree));
            digit.converter.prepare(self.ring.kernels(), digit.coefficients(coefficients, degree), buffer);
            rest = tail;
        }
        path.prepared(words)
    }
}

/// The coefficients of a part, and what the conversions of its digits share.
#[derive(Clone, Copy)]
pub(super) struct Prepared<'a> {
    coefficients: &'a [u64],
    terms: &'a [u64],
}

/// Memory of a product with keys and its division.
pub(super) struct Room {
    /// The limbs that go, of both halves.
    pub(super) low: [AlignedWords; 2],
    pub(super) buffers: [AlignedWords; 2],
    pub(super) remainders: [AlignedWords; 2],
    /// Digits modulo one limb.
    pub(super) rows: AlignedWords,
}

impl Room {
    pub(super) fn new(path: &Path, division: &Division, rows: usize, scratch: &mut Scratch) -> Self {
        let degree = path.key_ring.degree();
        let low = (path.key_ring.basis().len() - division.kept()) * degree;
        let mut pair = |len: usize| [scratch.words(len), scratch.words(len)];
        let (low, buffers, remainders) = (pair(low), pair(division.down().buffer_len()), pair(degree));
        Self { low, buffers, remainders, rows: scratch.words(rows * degree) }
    }

    pub(super) fn give(self, scratch: &mut Scratch) {
        let pairs = self.remainders.into_iter().chain(self.buffers).chain(self.low);
        [self.rows].into_iter().chain(pairs).for_each(|words| scratch.give(words));
    }
}

impl Path {
    fn new(params: &Params, level: usize, gadget: Gadget) -> Self {
        let key_ring = params.key_ring().select(gadget.key_limbs(params, level));
        let digits = gadget.digits(level).map(|own| {
            let others = key_ring.select((0..key_ring.basis().len()).filter(|i| !own.contains(i)));
            let converter = BaseConverter::new(key_ring.select(own.clone()).basis(), others.moduli());
            Digit { own, converter }
        });
        let divisions = (0..level.min(2)).map(|drop| Division::new(&key_ring, level, drop)).collect();
        Self { gadget, digits: digits.collect(), divisions, key_ring }
    }

    pub(super) const fn gadget(&self) -> Gadget {
        self.gadget
    }

    pub(super) fn degree(&self) -> usize {
        self.key_ring.degree()
    }

    pub(super) fn kernels(&self) -> Kernels {
        self.key_ring.kernels()
    }

    /// Of the key limbs.
    pub(super) fn moduli(&self) -> &[Modulus] {
        self.key_ring.moduli()
    }

    pub(super) fn digit_count(&self) -> usize {
        self.digits.len()
    }

    /// How many digits are extended to a key limb.
    pub(super) fn extensions(&self, i: usize) -> usize {
        self.digits.iter().filter(|digit| !digit.own.contains(&i)).count()
    }

    /// The division by the special primes and the last `drop` ciphertext primes, 0 or 1, of which one is left.
    pub(super) fn division(&self, drop: usize) -> &Division {
        &self.divisions[drop]
    }

    /// The size of a part that is ready to be extended, in words.
    pub(super) fn prepared_len(&self) -> usize {
        let (level, degree) = (self.key_ring.basis().len() - self.gadget.special(), self.degree());
        level * degree + self.digits.iter().map(|digit| digit.converter.prepared_len(degree)).sum::<usize>()
    }

    /// A part that [`Switcher::prepare`] wrote.
    pub(super) fn prepared<'a>(&self, words: &'a [u64]) -> Prepared<'a> {
        let level = self.key_ring.basis().len() - self.gadget.special();
        let (coefficients, terms) = words.split_at(level * self.degree());
        Prepared { coefficients, terms }
    }

    /// What is left to add to the `i`-th limb of both halves of a product with a key: the remainders of the division by `P`,
    /// and their factor.
    pub(super) fn remainders<'a>(
        &self,
        division: &Division,
        i: usize,
        prepared: [&[u64]; 2],
        [b, a]: &'a mut [AlignedWords; 2],
        ahead: [&[u64]; 2],
    ) -> ([&'a [u64]; 2], Shoup) {
        division.down().remainder(i, prepared[0], b, ahead[0]);
        division.down().remainder(i, prepared[1], a, ahead[1]);
        ([b, a], division.factor(i))
    }

    /// The `j`-th digit modulo the `i`-th key limb, which is not its own, in the evaluation domain.
    fn extend(&self, prepared: Prepared<'_>, j: usize, i: usize, out: &mut [u64], ahead: &[u64]) {
        let (digit, degree) = (&self.digits[j], out.len());
        let before: usize = self.digits[..j].iter().map(|digit| digit.converter.prepared_len(degree)).sum();
        let terms = match digit.converter.prepared_len(degree) {
            0 => digit.coefficients(prepared.coefficients, degree),
            len => &prepared.terms[before..before + len],
        };
        self.key_ring.forward_converted(i, (&digit.converter, digit.other(i).unwrap_or_default()), terms, out, ahead);
    }
}

/// A part that is multiplied with a key, and where its digits come from.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    part: &'a Poly<Eval>,
    digits: Digits<'a>,
    key: &'a KeySwitchKey,
}

#[derive(Clone, Copy)]
enum Digits<'a> {
    /// Extended limb by limb, used and forgotten: one row per digit.
    Fresh(Prepared<'a>, &'a [u64]),
    Hoisted(&'a Decomposed),
}

impl<'a> Product<'a> {
    /// With digits that are extended limb by limb, to these rows.
    pub(super) const fn fresh(
        part: &'a Poly<Eval>,
        prepared: Prepared<'a>,
        rows: &'a [u64],
        key: &'a KeySwitchKey,
    ) -> Self {
        Self { part, digits: Digits::Fresh(prepared, rows), key }
    }

    /// With digits that were extended to these rows.
    fn with(self, rows: &'a [u64]) -> Self {
        match self.digits {
            Digits::Fresh(prepared, _) => Self { digits: Digits::Fresh(prepared, rows), ..self },
            Digits::Hoisted(_) => self,
        }
    }

    /// Limbs of space that the extension of its digits takes.
    fn row_count(&self, path: &Path) -> usize {
        match self.digits {
            Digits::Fresh(..) => path.digits.len(),
            Digits::Hoisted(_) => 0,
        }
    }
}

/// What else happens to a product: sums with other parts, an automorphism of the sums, and the ciphertext primes that go.
#[derive(Clone, Copy)]
struct Finish<'a> {
    addends: [Option<&'a Poly<Eval>>; 2],
    order: Option<BlockOrder<'a>>,
    drop: usize,
}

impl GaloisKey {
    /// What turns a product with this key into a rotated ciphertext: the first part is added, then both are permuted.
    fn finish<'a>(&'a self, first: &'a Poly<Eval>) -> Finish<'a> {
        Finish { addends: [Some(first), None], order: Some(self.order()), drop: 0 }
    }

    /// The same modulo one key limb and before the division, on whose special limbs multiples of `P` are 0.
    pub(super) fn limb_finish<'a>(&'a self, first: &'a Poly<Eval>, i: usize) -> PairFinish<'a> {
        let first = (i < first.limb_count()).then(|| first.limb(i));
        PairFinish { addends: [first, None], order: Some(self.order()), ..PairFinish::default() }
    }

    fn order(&self) -> BlockOrder<'_> {
        BlockOrder { indices: &self.permutation, places: &self.places }
    }
}

impl Digit {
    /// Where a key limb stands among those that are not the digit's own; `None` for its own.
    fn other(&self, i: usize) -> Option<usize> {
        if i < self.own.start { Some(i) } else { i.checked_sub(self.own.end).map(|after| self.own.start + after) }
    }

    /// The digit's limbs of a part.
    fn coefficients<'a>(&self, part: &'a [u64], degree: usize) -> &'a [u64] {
        &part[self.own.start * degree..self.own.end * degree]
    }
}

/// One limb of both parts of a ciphertext.
pub(super) fn limbs(parts: &mut [Poly<Eval>], i: usize) -> [&mut [u64]; 2] {
    let (first, rest) = parts.split_at_mut(1);
    [first[0].limb_mut(i), rest[0].limb_mut(i)]
}
