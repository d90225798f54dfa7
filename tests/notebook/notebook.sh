#!/bin/sh
# Opens a dataset in pandas, polars and pyarrow like a notebook, runs the snippets of models/README.md, and reads their files with
# Lockstep. Then reads the files of `lockstep detect` with the pandas and R recipes of the vignette, and its networks with networkx
# and igraph. Needs Python 3, R with jsonlite and igraph, and PyPI at the first run (packages are kept under target/).
set -eu
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
env=$target/notebookenv
wanted='pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 networkx==3.6.1 igraph==1.0.0'
if ! [ -x "$env/bin/python" ] || [ "$(cat "$env/wanted" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv "$env"
    # shellcheck disable=SC2086 # the list must be split
    "$env/bin/pip" --quiet install $wanted
    printf '%s\n' "$wanted" >"$env/wanted"
fi
cargo build --quiet --package lockstep
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Separate folders, because `detect` would use the models that the guide trains.
mkdir "$work/guide" "$work/vignette"
"$env/bin/python" tests/notebook/notebook.py "$target/debug/lockstep" models/README.md "$work/guide"
"$env/bin/python" tests/notebook/outputs.py "$target/debug/lockstep" crates/lockstep/VIGNETTE.md "$work/vignette"
Rscript tests/notebook/outputs.R crates/lockstep/VIGNETTE.md "$work/vignette"
