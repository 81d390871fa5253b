//! When butterflies must reduce: how far values may grow in a word of 52 bits.
//!
//! Values are kept modulo `2^52` and only have to stay inside *one* window of that width that begins at zero; the bits
//! above are not read. Windows are counted in multiples of `q`. A product comes out in `[0, 2)`, taken as `[-1, 1)` in
//! the forward direction; a reduction leaves `[0, 2)`.
//!
//! *Forward*, `(x + t, x - t)` moves both ends of the window by one. Only `x` passes its window on, so that reducing `x`
//! bounds everything that follows; a lift by whole multiples of `q` keeps the low end at zero.
//!
//! *Inverse*, `(x + y, w·(x - y + lift))` doubles the window of sums, while differences start again at `[0, 2)`. Only
//! sums of sums grow, which is why few of the operands of a pass have to be reduced if there is some room.

/// The rules for one class of moduli.
pub(super) trait Room {
    /// How many multiples of `q` are known to fit 52 bits.
    const CAPACITY: u64;
    /// Forward: whether the three levels of a pass reduce their `x`, and what the reduction lifts it by. Without any
    /// reduction, the input is lifted once for all levels.
    const FORWARD: [bool; 3];
    const FORWARD_LIFT: u64;
    /// Inverse: what the three levels within vectors lift differences by, and whether they reduce sums.
    const LANES_LIFT: [u64; 3];
    const LANES_REDUCE: [bool; 3];
    /// Inverse: what the levels of a pass between vectors lift differences by.
    const PASS_LIFT: [u64; 3];
    /// Inverse: which of the four sums of each level a pass over eight rows reduces.
    const EIGHT_REDUCE: [[bool; 4]; 3];
    /// Inverse: which of the two sums of each level a pass over four rows reduces.
    const FOUR_REDUCE: [[bool; 2]; 2];
}

/// `64q ≤ 2^52`, and forward `(2·log2 n + 1)·q ≤ 2^52`: primes of up to 46 bits.
pub(super) enum Ample {}

/// `8q ≤ 2^52`: primes of up to 49 bits.
pub(super) enum Modest {}

/// `4q ≤ 2^52`: primes of up to 50 bits.
pub(super) enum Tight {}

impl Room for Ample {
    const CAPACITY: u64 = 64;
    const FORWARD: [bool; 3] = [false; 3];
    const FORWARD_LIFT: u64 = 0;
    const LANES_LIFT: [u64; 3] = [1, 2, 4];
    const LANES_REDUCE: [bool; 3] = [false; 3];
    const PASS_LIFT: [u64; 3] = [8, 16, 32];
    const EIGHT_REDUCE: [[bool; 4]; 3] = [[false; 4], [false; 4], [true, false, false, false]];
    const FOUR_REDUCE: [[bool; 2]; 2] = [[false; 2], [true, false]];
}

impl Room for Modest {
    const CAPACITY: u64 = 8;
    const FORWARD: [bool; 3] = [true, false, false];
    const FORWARD_LIFT: u64 = 3;
    const LANES_LIFT: [u64; 3] = [1, 2, 4];
    const LANES_REDUCE: [bool; 3] = [false, false, true];
    const PASS_LIFT: [u64; 3] = [4, 2, 4];
    const EIGHT_REDUCE: [[bool; 4]; 3] = [[true; 4], [false; 4], [true, true, false, false]];
    const FOUR_REDUCE: [[bool; 2]; 2] = [[true; 2], [false; 2]];
}

impl Room for Tight {
    const CAPACITY: u64 = 4;
    const FORWARD: [bool; 3] = [true; 3];
    const FORWARD_LIFT: u64 = 1;
    const LANES_LIFT: [u64; 3] = [1, 2, 2];
    const LANES_REDUCE: [bool; 3] = [false, true, true];
    const PASS_LIFT: [u64; 3] = [2; 3];
    const EIGHT_REDUCE: [[bool; 4]; 3] = [[true; 4]; 3];
    const FOUR_REDUCE: [[bool; 2]; 2] = [[true; 2]; 2];
}

#[cfg(test)]
mod tests {
    //! The windows, followed level by level through every pass.
    use super::*;

    /// The high end of each row's window after a level whose butterflies join rows `span` apart.
    fn inverse_level<R: Room>(rows: &mut [u64], span: usize, lift: u64, reduce: &[bool]) {
        let lows = (0..rows.len()).filter(|i| i & span == 0);
        for (i, &reduce) in lows.zip(reduce) {
            let (x, y) = (rows[i], rows[i + span]);
            assert!(lift >= y, "a difference may be negative: {lift} < {y}");
            assert!(x + lift <= R::CAPACITY, "a difference may leave the word: {x} + {lift}");
            assert!(x + y <= R::CAPACITY, "a sum may leave the word: {x} + {y}");
            rows[i] = if reduce { 2 } else { x + y };
            rows[i + span] = 2;
        }
    }

    fn inverse_windows<R: Room>() {
        // Lanes of sums and of differences share vectors: the wider window counts.
        let mut window = 1;
        for (lift, reduce) in R::LANES_LIFT.into_iter().zip(R::LANES_REDUCE) {
            let mut rows = [window; 2];
            inverse_level::<R>(&mut rows, 1, lift, &[reduce]);
            window = rows.into_iter().max().unwrap();
        }
        // A pass must take what it leaves behind.
        let mut stable = window;
        loop {
            let (mut eight, mut four) = ([stable; 8], [stable; 4]);
            for level in 0..3 {
                inverse_level::<R>(&mut eight, 1 << level, R::PASS_LIFT[level], &R::EIGHT_REDUCE[level]);
            }
            for level in 0..2 {
                inverse_level::<R>(&mut four, 1 << level, R::PASS_LIFT[level], &R::FOUR_REDUCE[level]);
            }
            let left = eight.into_iter().chain(four).max().unwrap();
            if left <= stable {
                break;
            }
            stable = left;
        }
    }

    fn forward_windows<R: Room>() {
        let (mut low, mut high) = (0i64, R::CAPACITY as i64);
        for reduce in R::FORWARD {
            if reduce {
                (low, high) = (R::FORWARD_LIFT as i64, R::FORWARD_LIFT as i64 + 2);
            }
            (low, high) = (low - 1, high + 1);
            assert!(low >= 0 && high <= R::CAPACITY as i64, "[{low}, {high})");
        }
    }

    #[test]
    fn windows_of_the_inverse_fit() {
        inverse_windows::<Ample>();
        inverse_windows::<Modest>();
        inverse_windows::<Tight>();
    }

    #[test]
    fn windows_of_the_forward_transform_fit() {
        forward_windows::<Modest>();
        forward_windows::<Tight>();
        // Ample reduces nothing: lifted by one per level, then one more at either end per level.
        for levels in 8..=17 {
            let (low, high) = (levels - levels, levels + 1 + levels);
            assert!(low >= 0 && high <= Ample::CAPACITY as i64, "{levels} levels");
        }
    }
}
