#!/bin/sh
# Fuzzes one target on the stable toolchain: run.sh TARGET [SECONDS] [LIBFUZZER OPTION…]
#
# Coverage instrumentation is a pass of LLVM that stable rustc can run; only sanitizers need nightly. A panic, an
# overflow or a failed assertion ends the run and leaves its input under artifacts/TARGET/.
set -eu

target=${1:?usage: run.sh TARGET [SECONDS] [LIBFUZZER OPTION...]}
seconds=${2:-60}
shift $(($# < 2 ? $# : 2))

cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
build=${CARGO_TARGET_DIR:-target}

# Named for the host target, so that build scripts and procedural macros stay uninstrumented.
flags="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
RUSTFLAGS=$flags cargo build --release --target "$host" --bin "$target"
cargo run --quiet --example seeds -- corpus

mkdir -p "corpus/$target" "artifacts/$target"
exec "$build/$host/release/$target" -max_total_time="$seconds" -artifact_prefix="artifacts/$target/" \
    -max_len=16384 -print_final_stats=1 "$@" "corpus/$target"
