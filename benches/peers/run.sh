#!/bin/sh
# Builds and runs the comparison with what makes both sides comparable; README.md says why. Options go to the program.
set -eu
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=pulp,bytemuck,tfhe_ntt RUSTFLAGS='-C target-cpu=native'
cargo build --quiet --release --locked
export GLIBC_TUNABLES=glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=1073741824
exec taskset -c "${CPU:-1}" "${CARGO_TARGET_DIR:-target}/release/tacit-peers" "$@"
