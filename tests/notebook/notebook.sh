#!/bin/sh
# Opens a dataset in pandas, polars and pyarrow as a notebook does, runs the guide's snippets, and has Lockstep read back what they wrote;
# then reads what `lockstep detect` writes, with the vignette's own pandas and R recipes, and its networks with networkx and igraph.
# Needs Python 3, PyPI the first time (kept under target/), and R with jsonlite and igraph.
set -eu
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
env=$target/notebookenv
wanted='pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 networkx==3.6.1 igraph==1.0.0'
if ! [ -x "$env/bin/python" ] || [ "$(cat "$env/wanted" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv "$env"
    # shellcheck disable=SC2086 # the list is split on purpose
    "$env/bin/pip" --quiet install $wanted
    printf '%s\n' "$wanted" >"$env/wanted"
fi
cargo build --quiet --package lockstep
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A folder each: `detect` would take the models that the guide trains for its own.
mkdir "$work/guide" "$work/vignette"
"$env/bin/python" tests/notebook/notebook.py "$target/debug/lockstep" models/README.md "$work/guide"
"$env/bin/python" tests/notebook/outputs.py "$target/debug/lockstep" crates/lockstep/VIGNETTE.md "$work/vignette"
Rscript tests/notebook/outputs.R crates/lockstep/VIGNETTE.md "$work/vignette"
