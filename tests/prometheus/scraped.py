"""Asks a Prometheus that scrapes a running Lockstep whether it has what alerts and dashboard ask for.

Usage: scraped.py PROMETHEUS_URL CONSOLE_URL
"""

import json
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

base, console = sys.argv[1:]
root = pathlib.Path(__file__).parents[2]


def ask(path, **parameters):
    address = f"{base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)["data"]


def value(query):
    result = ask("query", query=query)["result"]
    return float(result[0]["value"][1]) if result else None


def wait(what, holds, seconds=60):
    until = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        if time.monotonic() > until:
            sys.exit(f"error: waited {seconds} s: {what}")
        time.sleep(0.5)


wait("up is 1", lambda: value('up{job="lockstep"}') == 1)
wait("posts are counted", lambda: (value("sum(lockstep_posts_total)") or 0) > 0)
assert value("lockstep_ready") == 1, "the service is not ready"

# A labelled metric has no series before its first event: requests are counted from the first on.
urllib.request.urlopen(console, timeout=10).close()
wait("a request is counted", lambda: value("sum(lockstep_sharing_requests_total)"))
# The scoreboard is counted once a minute, and a quantile of nothing has no series.
wait("releases are counted", lambda: value("count(lockstep_sharing_release_seconds)"), 150)
stored = set(ask("label/__name__/values"))
told = {entry["metric"] for entry in ask("targets/metadata", match_target='{job="lockstep"}')}
asked = set()
for file in ["config/alerts.yml", "config/grafana/dashboards/lockstep.json"]:
    asked |= set(re.findall(r"\b(?:lockstep|process)_[a-z_]+", (root / file).read_text()))
registered = {name for name in asked if name in stored or re.sub(r"_(bucket|sum|count)$", "", name) in told}
assert asked, "alerts and dashboard ask for nothing"
missing = sorted(asked - registered)
if missing:
    sys.exit(f"error: nobody registers {', '.join(missing)}")

rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
wait("rules are evaluated", lambda: all(
    rule["health"] == "ok" for group in ask("rules")["groups"] for rule in group["rules"]))
firing = [alert["labels"]["alertname"] for alert in ask("alerts")["alerts"] if alert["state"] == "firing"]
assert not firing, f"a demo alone sets off {firing}"
print(f"{len(asked)} metrics are asked for and there")
print(f"{len(rules)} alert rules evaluated")
