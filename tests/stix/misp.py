"""What MISP makes of what partners get: which attributes may detect or block (`to_ids`).

Usage: misp.py FOLDER EXPECTED SCHEMA   checks bundles (SCHEMA is not used)
       misp.py ENVELOPE                 prints the MISP event of a STIX bundle or TAXII envelope

misp-stix gives every value of an indicator's pattern `to_ids`. It looks neither at `revoked` nor at `valid_until`, and knows no demo.
So an importer has to leave out what is not in force before it hands objects to misp-stix: `in_force` below, which any partner may copy.
And it reads a string of a pattern as a string of Python, so that it fails on a line break or a NUL in one, which STIX allows and no
platform has in its ids.
"""

import datetime
import json
import pathlib
import sys
import uuid

import stix2
from misp_stix_converter import ExternalSTIX2toMISPParser

EXTENSION = "extension-definition--5a0f1f3e-6f0b-4f5e-9a57-3d8c2b7e4c11"


def in_force(objects, now):
    """The objects without the indicators that must not detect anything, and without relationships and lists that name them."""

    def over(o):
        if o["type"] != "indicator":
            return False
        until = datetime.datetime.fromisoformat(o["valid_until"].replace("Z", "+00:00"))
        finding = o.get("extensions", {}).get(EXTENSION, {})
        demo = "demo" in o.get("labels", []) or finding.get("review_state", "").startswith("demo")
        return o.get("revoked", False) or until <= now or demo

    gone = {o["id"] for o in objects if over(o)}
    for o in objects:
        if o["id"] in gone or o.get("source_ref") in gone or o.get("target_ref") in gone:
            gone.add(o["id"])
    kept = []
    for o in objects:
        if o["id"] in gone:
            continue
        if "object_refs" in o:
            o = {**o, "object_refs": [ref for ref in o["object_refs"] if ref not in gone]}
            if not o["object_refs"]:
                continue
        kept.append(o)
    return kept


def event(objects):
    """The MISP event that misp-stix makes of these objects."""
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}
    parser = ExternalSTIX2toMISPParser()
    parser.load_stix_bundle(stix2.parse(bundle, allow_custom=True))
    parser.parse_stix_bundle(single_event=True)
    assert not parser.errors, dict(parser.errors)
    return parser.misp_event


def attributes(made):
    yield from made.attributes
    for o in made.objects:
        yield from o.attributes


def detecting(made):
    """Values that may detect or block: an account id, or the pattern where misp-stix keeps it whole."""
    return sorted(a.value for a in attributes(made) if a.to_ids)


def check(folder, expected):
    read = ignored = 0
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith("controls-"):
            continue
        objects = json.loads(path.read_text())["objects"]
        about = expected[path.name]
        now = datetime.datetime.fromisoformat(about["now"].replace("Z", "+00:00"))
        live = {} if about["demo"] else {
            o["pattern"]: account["user_id"]
            for o in objects if o["type"] == "indicator" and not o.get("revoked")
            for account in objects
            if account["type"] == "user-account" and pattern(account["user_id"]) == o["pattern"]
        }
        try:
            made = event(in_force(objects, now))
        except AssertionError as error:
            raise AssertionError(f"{path.name}: {error}") from None
        found = detecting(made)
        assert len(found) == len(live), f"{path.name}: {found} for {live}"[:2000]
        # MISP takes the space off the ends of values.
        right = {value.strip() for value in (*live, *live.values())}
        assert {value.strip() for value in found} <= right, f"{path.name}: {set(found) - right}"
        assert sorted(live.values()) == sorted([] if about["demo"] else about["live"]), path.name
        # Names, counts, pseudonyms and techniques never detect anything.
        for attribute in attributes(made):
            if attribute.to_ids:
                relation = getattr(attribute, "object_relation", None)
                assert relation in ("user-id", "stix2-pattern"), f"{path.name}: {relation} {attribute.value!r}"
        # When all of it has expired, nothing detects anything.
        later = now + datetime.timedelta(days=4000)
        assert detecting(event(in_force(objects, later))) == [], path.name
        read += 1
        # What the filter is for. Should this fail, misp-stix has learnt it, and the filter can go.
        if "-retracted-" in path.name and path.name.startswith("plain"):
            assert detecting(event(objects)), "misp-stix minds `revoked` now"
            ignored += 1
    assert ignored
    print(f"read {read} bundles with misp-stix")


def pattern(user_id):
    escaped = user_id.replace("\\", "\\\\").replace("'", "\\'")
    return f"[user-account:user_id = '{escaped}']"


if len(sys.argv) == 2:
    now = datetime.datetime.now(datetime.timezone.utc)
    print(event(in_force(json.loads(pathlib.Path(sys.argv[1]).read_text())["objects"], now)).to_json(indent=2))
else:
    check(pathlib.Path(sys.argv[1]), json.loads(pathlib.Path(sys.argv[2]).read_text()))
