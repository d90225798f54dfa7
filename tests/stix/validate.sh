#!/bin/sh
# Reads the partners' objects with other programs: the OASIS stix2-validator, the OASIS pattern libraries and MISP's importer. The
# OASIS taxii2-client and Cyware's cytaxii2 page through a server, also in the way of OpenCTI's connector. Needs Python 3, and PyPI at the
# first run (packages are kept under target/).
set -eu
cd "$(dirname "$0")/../.."
env=target/stixenv
# Version 3.3.1 of the validator contains no schemas.
wanted='stix2-validator==3.2.0 stix2==3.0.2 stix2-patterns==2.1.2 stix2-matcher==3.0.0 misp-stix==2026.10.12 pymisp==2.5.34.4
jsonschema==4.26.0 taxii2-client==2.3.0 cytaxii2==1.0.1'
if ! [ -x "$env/bin/stix2_validator" ] || [ "$(cat "$env/wanted" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv "$env"
    # shellcheck disable=SC2086 # the list must be split
    "$env/bin/pip" --quiet install $wanted
    printf '%s\n' "$wanted" >"$env/wanted"
fi
# The whole workspace: another selection of packages would build the dependencies a second time.
LOCKSTEP_STIX_PYTHON="$PWD/$env/bin/python" \
LOCKSTEP_TAXII_PYTHON="$PWD/$env/bin/python" \
    cargo test --workspace outside_ -- --ignored --nocapture
cargo build --quiet --package lockstep
"$env/bin/python" tests/stix/taxii_paging.py "${CARGO_TARGET_DIR:-target}/debug/lockstep"
