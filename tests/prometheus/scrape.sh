#!/usr/bin/env bash
# A real Prometheus from Debian scrapes a running demo with our rules. Then the script checks that it has stored every series that
# the alerts and the dashboard query. PROMETHEUS names the program if it is not on the path.
set -euo pipefail
cd "$(dirname "$0")/../.."
prometheus=${PROMETHEUS:-prometheus}

# shellcheck source=tests/demo.sh
. tests/demo.sh
# shellcheck disable=SC2154
token=$work/token
head -c 32 /dev/urandom | base64 >"$token"
export LOCKSTEP__ADMIN__TOKEN_FILE=$token
start_demo
own=127.0.0.1:$(free_port)
sed -e "s/\"detect:9464\"/\"$admin\"/" -e '/"intake:9464"/,+1d' -e '/"share:9464"/,+1d' -e "s/localhost:9090/$own/" \
    -e "s|/run/metrics-token/token|$token|" -e 's/scrape_interval: .*/scrape_interval: 1s/' config/prometheus.yml >"$work/prometheus.yml"
grep -q "$admin" "$work/prometheus.yml"
cp config/alerts.yml "$work/"
"$prometheus" --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="$own" \
    >"$work/prometheus.log" 2>&1 &
started+=($!)
python3 tests/prometheus/scraped.py "http://$own" "http://$console/" || {
    tail -n 20 "$work/prometheus.log" >&2
    exit 1
}
