#!/bin/sh
# Has the OASIS stix2-validator read what partners get, and the OASIS taxii2-client page through a server.
# Needs Python 3 and PyPI the first time; keeps them under target/.
set -eu
cd "$(dirname "$0")/../.."
env=target/stixenv
if ! [ -x "$env/bin/stix2_validator" ] || ! "$env/bin/python" -c 'import taxii2client' 2>/dev/null; then
    python3 -m venv "$env"
    # 3.3.1 ships no schemas.
    "$env/bin/pip" --quiet install stix2-validator==3.2.0 taxii2-client==2.3.0
fi
# The whole workspace, as everywhere: another selection of packages would build its dependencies a second time.
LOCKSTEP_STIX_VALIDATOR="$PWD/$env/bin/stix2_validator" \
LOCKSTEP_TAXII_PYTHON="$PWD/$env/bin/python" \
    cargo test --workspace outside_ -- --nocapture
cargo build --quiet --package lockstep
"$env/bin/python" tests/stix/taxii_paging.py "${CARGO_TARGET_DIR:-target}/debug/lockstep"
