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

axe=4.14.1
tools=${CARGO_TARGET_DIR:-target}/browser-tools
if [ ! -s "$tools/axe-$axe.js" ]; then
    # One file of the package, read by the pages' own browser; nothing of it is run here.
    mkdir -p "$tools"
    (cd "$tools" && npm pack --silent "axe-core@$axe" >/dev/null && tar -xzOf "axe-core-$axe.tgz" package/axe.min.js >"axe-$axe.js" && rm "axe-core-$axe.tgz")
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
