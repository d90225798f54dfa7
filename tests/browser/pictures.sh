#!/usr/bin/env bash
# Makes the pictures of the guides anew: pictures.sh [FOLDER], by default docs/pictures. Look at them before you commit them. Needs what
# tests/browser/run.sh needs. The CI makes them in another folder, so that this script goes on working.
set -euo pipefail
cd "$(dirname "$0")/../.."
pictures=${1:-docs/pictures}

# shellcheck source=tests/demo.sh
. tests/demo.sh
# shellcheck source=tests/people.sh
. tests/people.sh
start_people
mkdir -p "$pictures"
# shellcheck disable=SC2154
/usr/bin/python3 tests/browser/pictures.py "http://$people/" "$password" "$work/profile" "$pictures"
