#!/bin/sh
# Installs, builds, trains once, measures; README.md says what. Options go to compare.py.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
case " $* " in
*" --data"* | *" --help "* | *" -h "*) ;;
*)
    echo "usage: $0 --data MNIST_DIR [--count N] [--json]: the folder with the four IDX files of MNIST is needed" >&2
    exit 2
    ;;
esac
work=${TENSEAL_BENCH_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/tacit/tenseal}

# The model is trained when there is none, and only training needs PyTorch.
requirements=requirements.txt
[ -f "$work/model.onnx" ] || requirements=requirements-train.txt
mkdir -p "$work"
[ -x "$work/venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/$requirements"

target=${CARGO_TARGET_DIR:-$repository/target}
cargo build --quiet --release --locked --manifest-path "$repository/Cargo.toml" --package tacit-cli --target-dir "$target"

# One core for both sides, the same allocator settings for both, and no network where the system can take it away.
export GLIBC_TUNABLES=glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=1073741824
offline=
if unshare --map-root-user --net true 2>/dev/null; then offline="unshare --map-root-user --net"; fi
exec taskset -c "${CPU:-1}" $offline "$work/venv/bin/python" -B "$here/compare.py" \
    --tacit "$target/release/tacit" --work "$work" "$@"
