#!/bin/sh
# Builds the Python package as a wheel, installs it into a virtual environment and checks its types. Then compares its findings on
# simulated posts with those of the command line. Needs Python 3.10 or newer, and PyPI at the first run (packages are kept under
# target/).
set -eu
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
env=$target/pythonenv
wanted='maturin==1.16.0 pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 pytest==9.2.0 mypy==2.4.1'
if ! [ -x "$env/bin/python" ] || [ "$(cat "$env/wanted" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv "$env"
    # shellcheck disable=SC2086 # the list must be split
    "$env/bin/pip" --quiet install $wanted
    printf '%s\n' "$wanted" >"$env/wanted"
fi
cargo build --quiet --workspace
rm -rf "$target/wheels"
# Dependencies are not optimised: for a small run, compiling them takes longer than the run.
"$env/bin/maturin" build --quiet --profile dev --config 'profile.dev.package."*".opt-level=0' \
    --manifest-path crates/python/Cargo.toml --interpreter "$env/bin/python" --out "$target/wheels"
"$env/bin/pip" --quiet install --force-reinstall --no-deps "$target"/wheels/lockstep-*.whl
"$env/bin/mypy" --cache-dir "$target/mypy" --strict -p lockstep
command=$(cd "$target" && pwd)/debug/lockstep
LOCKSTEP_COMMAND=$command PYTHONDONTWRITEBYTECODE=1 "$env/bin/python" -m pytest -q -p no:cacheprovider crates/python/tests
