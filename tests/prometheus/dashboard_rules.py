"""Prints the dashboard's queries as recording rules, so that promtool can say whether each is valid PromQL."""

import json
import pathlib

root = pathlib.Path(__file__).parents[2]
dashboard = json.loads((root / "config/grafana/dashboards/lockstep.json").read_text())
rules = []
for panel in dashboard["panels"]:
    for target in panel.get("targets", []):
        expr = target["expr"].replace("$__rate_interval", "1m")
        rules.append({"record": f"panel:{panel['id']}:{target['refId']}", "expr": expr})
if not rules:
    raise SystemExit("the dashboard has no queries")
print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
