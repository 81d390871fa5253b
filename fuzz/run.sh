#!/bin/sh
# Fuzzes on the stable toolchain: run.sh TARGET [SECONDS] [LIBFUZZER OPTION…], or all targets: run.sh smoke [SECONDS]
#
# Coverage instrumentation is a pass of LLVM that stable rustc can run; only sanitizers need nightly. A panic, an
# overflow or a failed assertion ends the run and leaves its input under artifacts/TARGET/.
set -eu

target=${1:?usage: run.sh TARGET|smoke [SECONDS] [LIBFUZZER OPTION...]}
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

case $target in
smoke) targets=$(ls fuzz_targets | sed 's/\.rs$//') && RUSTFLAGS=$flags cargo build -r --target "$host" --bins ;;
*) targets=$target && RUSTFLAGS=$flags cargo build -r --target "$host" --bin "$target" ;;
esac
cargo run --quiet --example seeds -- corpus
for name in $targets; do
    mkdir -p "corpus/$name" "artifacts/$name"
done

if [ "$target" != smoke ]; then
    exec "$build/$host/release/$target" -max_total_time="$seconds" -artifact_prefix="artifacts/$target/" \
        -max_len=16384 -print_final_stats=1 "$@" "corpus/$target"
fi

# Two at a time, from one seed, so that a run can be repeated; a target says how often it ran, or how it failed.
export build host seconds
printf '%s\n' $targets | xargs -P 2 -I NAME sh -c '
    log=artifacts/NAME/smoke.log
    if "$build/$host/release/NAME" -max_total_time="$seconds" -artifact_prefix=artifacts/NAME/ -max_len=16384 -seed=1 \
        -print_final_stats=1 corpus/NAME >"$log" 2>&1; then
        echo "NAME: $(sed -n "s/^stat::number_of_executed_units: *//p" "$log") runs in $seconds s"
    else
        echo "NAME: FAILED" && tail -n 40 "$log" && exit 1
    fi'
