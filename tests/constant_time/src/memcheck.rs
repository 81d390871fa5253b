//! Three requests to memcheck. Their numbers and the instructions that make them are part of valgrind's stable interface
//! (`valgrind.h`, `memcheck.h`); the crates that wrap those headers need a C compiler or libclang to build.

use core::arch::asm;

/// `VG_USERREQ_TOOL_BASE('M', 'C')`.
const BASE: usize = 0x4d43_0000;
const MAKE_MEM_UNDEFINED: usize = BASE + 1;
const MAKE_MEM_DEFINED: usize = BASE + 2;
const GET_VBITS: usize = BASE + 8;

/// Makes a request about `len` bytes at an address. The answer is 0 outside valgrind.
fn request(code: usize, address: usize, second: usize, third: usize) -> usize {
    let arguments = [code, address, second, third, 0, 0];
    let mut answer = 0;
    // SAFETY: the rotations add up to 128 bits and the exchange is of a register with itself, so that nothing happens but
    // in valgrind, which reads the arguments and writes `rdx` and, if asked for validity bits, the buffer named in them.
    unsafe {
        asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") &raw const arguments,
            inout("rdx") answer,
            options(nostack),
        );
    }
    answer
}

/// From here on these values are secret.
pub fn hide<T: Copy>(values: &mut [T]) {
    request(MAKE_MEM_UNDEFINED, values.as_mut_ptr().expose_provenance(), size_of_val(values), 0);
}

/// From here on these values are public.
pub fn reveal<T: Copy>(values: &mut [T]) {
    request(MAKE_MEM_DEFINED, values.as_mut_ptr().expose_provenance(), size_of_val(values), 0);
}

/// How many of these values depend on a secret in at least one bit.
pub fn secrets<T: Copy>(values: &[T]) -> usize {
    let mut bits = vec![0u8; size_of_val(values)];
    let address = values.as_ptr().expose_provenance();
    let answer = request(GET_VBITS, address, bits.as_mut_ptr().expose_provenance(), bits.len());
    assert_eq!(answer, 1, "this program runs under memcheck only");
    bits.chunks_exact(size_of::<T>()).filter(|value| value.iter().any(|&bits| bits != 0)).count()
}
