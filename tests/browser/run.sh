#!/usr/bin/env bash
# The console and the report as people see them, in Debian's Chromium, screenshots in target/browser: pages.py for the demo and the
# report, people.py for two people who take cases from nominated to retracted.
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

# axe-core 4.12.1, as a package of PyPI carries it: one file, read by the pages' own browser; nothing of it is run here.
axe=0.1.8
tools=${CARGO_TARGET_DIR:-target}/browser-tools
if [ ! -s "$tools/axe-$axe.js" ]; then
    mkdir -p "$tools"
    python3 -m venv "$tools/python"
    "$tools/python/bin/pip" download --quiet --no-deps --dest "$tools" "axe-playwright-python==$axe"
    "$tools/python/bin/python" -m zipfile -e "$tools"/axe_playwright_python-"$axe"-*.whl "$tools/axe"
    mv "$tools/axe/axe_playwright_python/axe.min.js" "$tools/axe-$axe.js"
    rm -rf "$tools/axe" "$tools"/axe_playwright_python-*.whl
fi

# shellcheck source=tests/demo.sh
. tests/demo.sh
# shellcheck source=tests/people.sh
. tests/people.sh
start_demo
"$lockstep" simulate --world demo --seed 1 >"$work/posts.jsonl"
"$lockstep" detect "$work/posts.jsonl" --out "$work/out" 2>"$work/detect.log"
start_people
shots=${CARGO_TARGET_DIR:-target}/browser
mkdir -p "$shots"
# Debian's own Python, which Debian's Selenium is for, whatever else is on the path.
failed=0
/usr/bin/python3 tests/browser/pages.py "http://$console/" "file://$work/out/report.html" "$work/profile" "$shots" "$tools/axe-$axe.js" || failed=1
/usr/bin/python3 tests/browser/people.py "http://$people/" "$password" "$work/profile2" "$shots" "$tools/axe-$axe.js" || failed=1
echo "screenshots in $shots"
exit $failed
