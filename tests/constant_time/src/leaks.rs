//! Kernels that leak, which `tests/disassembly.rs` must find. Nothing runs them: they are only compiled.
//!
//! Each is named after what must be found in it.

use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tacit_core::backend::Kernels;

use crate::kernels::{Data, Kernel, Public, Sums};

/// Keeps the leaks in the program.
pub fn keep() {
    let leaks: [Kernel; 9] = [
        branch,
        branch_on_stack,
        branch_on_heap,
        branch_in_callee,
        address,
        division,
        float_division,
        escape,
        escape_in_box,
    ];
    black_box((leaks, ESCAPED.load(Relaxed)));
    #[cfg(target_arch = "x86_64")]
    black_box(lanes::branch_on_lanes as unsafe fn(Kernels, &Public, &mut Data<'_>, &Sums<'_>));
}

/// An early exit.
#[inline(never)]
fn branch(_: Kernels, _: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    let equal = data.a.iter().zip(data.b).all(|(x, y)| x == y);
    data.out[0] = if equal { black_box(1) } else { 0 };
}

/// A secret kept on the stack, written and read by index.
#[inline(never)]
fn branch_on_stack(_: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    let mut words = [0; 32];
    for (word, &x) in words.iter_mut().zip(data.a) {
        *word = x;
    }
    let index = public.indices[0] as usize % words.len();
    if black_box(&words)[index] == 7 {
        data.out.fill(0);
    }
}

/// A secret kept in what is allocated, behind an address that is kept there as well.
#[inline(never)]
fn branch_on_heap(_: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    let words = black_box(data.a.to_vec());
    let slices: Vec<_> = public.indices.iter().map(|&i| &words[i as usize..]).collect();
    if black_box(&slices).iter().any(|slice| slice[0] == 7) {
        data.out.fill(0);
    }
}

#[inline(never)]
fn branch_in_callee(_: Kernels, _: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    clear_if_seven(data.a[0], data.out);
}

#[inline(never)]
fn clear_if_seven(x: u64, out: &mut [u64]) {
    if x == 7 {
        out.fill(0);
    }
}

/// A table.
#[inline(never)]
fn address(_: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    for (out, &x) in data.out.iter_mut().zip(data.a) {
        *out = u64::from(public.indices.as_chunks::<8>().0[0][(x & 7) as usize]);
    }
}

/// A remainder.
#[inline(never)]
fn division(_: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    for out in data.out.iter_mut() {
        *out = u64::from(*out as u32 % public.indices[0].max(1));
    }
}

#[inline(never)]
fn float_division(_: Kernels, _: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    for (out, &x) in data.out.iter_mut().zip(data.a) {
        *out = (*out as f64 / x as f64).to_bits();
    }
}

/// A secret kept where only public values are: what is read there afterwards would pass for public.
#[inline(never)]
fn escape(_: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    ESCAPED.store(data.out[0] ^ public.q.value(), Relaxed);
}

/// The same, by the address of what was allocated for it.
#[inline(never)]
fn escape_in_box(_: Kernels, _: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    ESCAPED.store((&raw const *Box::leak(Box::new(data.out[0]))).expose_provenance() as u64, Relaxed);
}

static ESCAPED: AtomicU64 = AtomicU64::new(0);

#[cfg(target_arch = "x86_64")]
mod lanes {
    use core::arch::x86_64::*;

    use tacit_core::backend::Kernels;

    use crate::kernels::{Data, Public, Sums};

    /// An early exit of eight lanes at once, as a rejection loop has it.
    #[inline(never)]
    #[target_feature(enable = "avx512f")]
    pub fn branch_on_lanes(_: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
        let q = _mm512_set1_epi64(public.q.value().cast_signed());
        for chunk in data.out.as_chunks_mut::<8>().0 {
            let [a, b, c, d, e, f, g, h] = chunk.map(u64::cast_signed);
            let lanes = _mm512_setr_epi64(a, b, c, d, e, f, g, h);
            if _mm512_cmpge_epu64_mask(lanes, q) != 0 {
                return;
            }
            chunk[0] += 1;
        }
    }
}
