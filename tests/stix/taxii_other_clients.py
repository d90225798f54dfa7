"""Reads a TAXII server as other products do: with Cyware's client, and with the OASIS client in the way of OpenCTI's connector.

That connector (OpenCTI-Platform/connectors, external-import/taxii2) with the collections `*.*` reads every collection of every root with
one set of parameters: `added_after` goes away with the first `next`, and the last `next` of one collection is sent to the one after it.

Usage: taxii_other_clients.py DISCOVERY_URL USER KEY
"""

import datetime
import sys

from cytaxii2 import cytaxii2
from taxii2client.v21 import Server

url, user, key = sys.argv[1:]

client = cytaxii2.cytaxii2(url, user, key)
collections = client.collection_request()
assert collections["status"], collections
expected = {}
for collection in collections["response"]["collections"]:
    assert client.collection_data_request(collection["id"])["status_code"] == 200
    ids, more = [], None
    while True:
        page = client.poll_request(collection["id"], limit=7, next=more)
        assert page["status_code"] == 200, page
        ids += [o["id"] for o in page["response"].get("objects", [])]
        if not page["response"].get("more"):
            break
        more = page["response"]["next"]
    assert len(ids) == len(set(ids)), "an object came twice"
    expected[collection["id"]] = ids
assert any(expected.values())
refused = client.poll_request(collections["response"]["collections"][0]["id"], next="nonsense")
assert refused["status_code"] == 400, refused

read = {}
filters = {"limit": 7, "added_after": datetime.datetime.now() - datetime.timedelta(days=366)}
for root in Server(url, user=user, password=key).api_roots:
    for collection in root.collections:
        ids = []
        answer = collection.get_objects(**filters)
        while answer.get("objects"):
            ids += [o["id"] for o in answer["objects"]]
            if answer.get("more") is not True:
                break
            filters.pop("added_after", None)
            filters["next"] = answer["next"]
            answer = collection.get_objects(**filters)
        read[collection.id] = ids
assert "next" in filters, "there was one page only: nothing was carried over"
assert read == expected, {name: (len(ids), len(expected.get(name, []))) for name, ids in read.items()}
print(f"{sum(map(len, read.values()))} objects")
