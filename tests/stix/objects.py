"""Reads what partners get with the OASIS libraries: ids, patterns, extension, references.

python-stix2 reads every object in its strict mode. Only DISARM's techniques are refused, which are as the DISARM Foundation published
them, with properties of MITRE's; with `sharing.disarm_objects = false` there are none.

Usage: objects.py FOLDER EXPECTED SCHEMA
FOLDER has bundles; EXPECTED names, for each, the accounts that are live after it; SCHEMA is that of our extension.
"""

import json
import pathlib
import sys

import jsonschema
import stix2
from stix2matcher.matcher import match
from stix2patterns.v21.pattern import Pattern

EXTENSION = "extension-definition--5a0f1f3e-6f0b-4f5e-9a57-3d8c2b7e4c11"
EVIDENCE = "extension-definition--9d2b6f0c-3c7e-4a58-8f21-6e0b7d1c5a93"

folder, expected, schema = map(pathlib.Path, sys.argv[1:])
expected = json.loads(expected.read_text())
schema = json.loads(schema.read_text())
jsonschema.Draft202012Validator.check_schema(schema)
findings = jsonschema.Draft202012Validator(schema)
evidence = jsonschema.Draft202012Validator(json.loads(pathlib.Path(sys.argv[3]).with_name("stix-evidence.v1.json").read_text()))
compared = set()


def observation(account):
    """An observation of one account, as the matcher wants it: with the object inside."""
    return {
        "type": "observed-data",
        "spec_version": "2.1",
        "id": "observed-data--11111111-2222-4333-8444-555555555555",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "first_observed": "2026-01-01T00:00:00Z",
        "last_observed": "2026-01-01T00:00:00Z",
        "number_observed": 1,
        "objects": {"0": {k: v for k, v in account.items() if k not in ("id", "object_marking_refs")}},
    }


def literal(text):
    """What a string literal of the pattern language stands for."""
    assert text[0] == text[-1] == "'", text
    value, rest = [], iter(text[1:-1])
    for c in rest:
        value.append(next(rest) if c == "\\" else c)
    return "".join(value)


def is_of_disarm(o):
    return o["type"] == "attack-pattern" and any(name.startswith("x_mitre_") for name in o)


checked = matched = strictly = 0
for path in sorted(folder.glob("*.json")):
    bundle = json.loads(path.read_text())
    # An independent reader of every object; it knows the extension by its id alone.
    stix2.parse(bundle, allow_custom=True)
    refused = [o for o in bundle["objects"] if is_of_disarm(o)]
    for o in bundle["objects"]:
        if o not in refused:
            stix2.parse(o, allow_custom=False)
            strictly += 1
    for o in refused:
        try:
            stix2.parse(o, allow_custom=False)
            raise AssertionError("python-stix2 takes DISARM's techniques now: the setting that leaves them out can go")
        except stix2.exceptions.ExtraPropertiesError:
            pass
    assert not (refused and path.name.startswith("without_disarm-")), path.name
    if not refused:
        stix2.parse(bundle, allow_custom=False)
    accounts = [o for o in bundle["objects"] if o["type"] == "user-account"]
    for account in accounts:
        again = stix2.v21.UserAccount(account_type=account["account_type"], user_id=account["user_id"])
        assert again.id == account["id"], f"{path.name}: {account['user_id']!r} has {account['id']}, not {again.id}"
    live = []
    for o in bundle["objects"]:
        finding = o.get("extensions", {}).get(EXTENSION)
        if finding is not None:
            findings.validate(finding)
        if o["type"] == "observed-data":
            evidence.validate(o["extensions"][EVIDENCE])
        if o["type"] != "indicator":
            continue
        checked += 1
        # The comparisons of the pattern: one, on user_id, with the account's own id.
        comparisons = Pattern(o["pattern"]).inspect().comparisons
        assert list(comparisons) == ["user-account"], o["pattern"]
        ((where, operator, value),) = comparisons["user-account"]
        assert (where, operator) == (["user_id"], "="), o["pattern"]
        if not o.get("revoked"):
            live.append(literal(value))
    assert sorted(live) == sorted(expected[path.name]["live"]), f"{path.name}: {live}"
    # Every pattern against every account; the same accounts come in many bundles.
    key = tuple(sorted(a["user_id"] for a in accounts))
    if key not in compared:
        compared.add(key)
        seen = [observation(account) for account in accounts]
        for o in bundle["objects"]:
            if o["type"] == "indicator" and not o.get("revoked") and len(o["pattern"]) < 2000:
                (value,) = (v for _, _, v in Pattern(o["pattern"]).inspect().comparisons["user-account"])
                hits = [a["user_id"] for a, s in zip(accounts, seen) if match(o["pattern"], [s], stix_version="2.0")]
                assert hits == [literal(value)], f"{o['pattern']} matches {hits}"
                matched += 1

print(f"read {strictly} objects in strict mode, {checked} indicators; matched {matched} patterns")
