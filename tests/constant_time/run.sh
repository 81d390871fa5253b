#!/usr/bin/env bash
# All three checks of constant time. The first two are what `cargo test` runs, and fail here where it would skip them; the
# third measures times, for which the machine must be quiet.
set -euo pipefail
cd "$(dirname "$0")/../.."

export REQUIRE_VALGRIND=1 REQUIRE_DISASSEMBLY=1
cargo test --locked -p tacit --test constant_time --test disassembly -- --nocapture
env -u RUSTFLAGS cargo run --quiet --release --locked --manifest-path tests/constant_time/Cargo.toml \
    --target-dir "${CARGO_TARGET_DIR:-target}/tmp/constant_time" -- timing
