#!/usr/bin/env bash
# Tests the pages in Debian's Chromium and writes screenshots to target/browser. pages.py tests the demo's console and the report,
# people.py has two people take cases from nominated to retracted, and open.py tests `lockstep open` with a file of posts.
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

# axe-core 4.12.1 from a PyPI package: one JavaScript file, which the browser runs. The Python code of the package is not used.
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
# A table with a column that Lockstep cannot recognise.
python3 - "$work/posts.jsonl" "$work/posts.csv" <<'END'
import csv, json, sys
fields = ["id", "platform", "account_id", "account_name", "created_at", "text", "urls", "hashtags", "repost_of", "repost_of_account"]
with open(sys.argv[1]) as posts, open(sys.argv[2], "w", newline="") as table:
    rows = csv.writer(table)
    rows.writerow(["wording" if field == "text" else field for field in fields])
    for post in map(json.loads, posts):
        cells = (post.get(field) for field in fields)
        rows.writerow([json.dumps(cell) if isinstance(cell, list) else cell for cell in cells])
END
: >"$work/open.log"
"$lockstep" open "$work/posts.csv" --out "$work/opened" --no-browser 2>"$work/open.log" &
started+=($!)
tries=0
until open_at=$(grep -o 'http://[0-9.:]*/' "$work/open.log"); do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then
        cat "$work/open.log" >&2
        exit 1
    fi
    sleep 0.1
done
start_people
shots=${CARGO_TARGET_DIR:-target}/browser
mkdir -p "$shots"
# Debian's Selenium needs Debian's Python, even if another Python is first on the path.
# Two at a time: a browser mostly waits.
/usr/bin/python3 tests/browser/pages.py "http://$console/" "file://$work/out/report.html" "$work/profile" "$shots" "$tools/axe-$axe.js" \
    >"$work/pages.log" 2>&1 &
pages=$!
failed=0
/usr/bin/python3 tests/browser/people.py "http://$people/" "$password" "$work/profile2" "$shots" "$tools/axe-$axe.js" || failed=1
/usr/bin/python3 tests/browser/open.py "$open_at" "$work/profile3" "$shots" "$tools/axe-$axe.js" || failed=1
wait "$pages" || failed=1
cat "$work/pages.log"
echo "screenshots in $shots"
exit $failed
