"""Reads a TAXII server with the OASIS client: discovery, collection, every object once by several page sizes.

Usage: taxii_client.py DISCOVERY_URL USER KEY
"""

import sys

from taxii2client.v21 import Server, as_pages

url, user, key = sys.argv[1:]
server = Server(url, user=user, password=key)
root = server.default
assert root.url in [r.url for r in server.api_roots], "the default is not one of the api roots"
(collection,) = root.collections
assert collection.can_read and not collection.can_write

seen = None
for size in (1, 7, 100, 1000):
    for read in (collection.get_objects, collection.get_manifest):
        ids = [
            item["id"]
            for page in as_pages(read, per_request=size)
            for item in page.get("objects", [])
        ]
        assert len(ids) == len(set(ids)), f"an object came twice with pages of {size}"
        assert seen is None or ids == seen, f"pages of {size} gave other objects or another order"
        seen = ids

indicators = collection.get_objects(type="indicator", limit=1000)["objects"]
assert indicators and all(o["type"] == "indicator" for o in indicators)
one = collection.get_object(indicators[0]["id"])["objects"]
assert one == [indicators[0]]
assert collection.object_versions(indicators[0]["id"])["versions"]

dates = [o["date_added"] for o in collection.get_manifest(limit=1000)["objects"]]
middle = dates[len(dates) // 2]
later = collection.get_objects(added_after=middle, limit=1000)["objects"]
assert len(later) == sum(date > middle for date in dates)

print(f"{len(seen)} objects")
