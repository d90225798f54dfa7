#!/usr/bin/env bash
# The console and the report as people see them, in Debian's Chromium; screenshots in target/browser. See pages.py for what holds.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null || ! /usr/bin/python3 -c 'import selenium' 2>/dev/null; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "install chromium, chromium-driver and python3-selenium, or run as root" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        chromium chromium-driver python3-selenium fonts-dejavu-core >/dev/null
fi

# shellcheck source=tests/demo.sh
. tests/demo.sh
start_demo
"$lockstep" simulate --world demo --seed 1 >"$work/posts.jsonl"
"$lockstep" detect "$work/posts.jsonl" --out "$work/out" 2>"$work/detect.log"
mkdir -p target/browser
# Debian's own Python, which Debian's Selenium is for, whatever else is on the path.
/usr/bin/python3 tests/browser/pages.py "http://$console/" "file://$work/out/report.html" "$work/profile" target/browser
