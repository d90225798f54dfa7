"""Uses a TAXII server as a partner does, with the OASIS client: every finding once by several page sizes, then feedback.

Usage: taxii_client.py DISCOVERY_URL USER KEY
"""

import sys
import uuid

from requests.exceptions import HTTPError
from taxii2client.v21 import Server, as_pages

url, user, key = sys.argv[1:]
server = Server(url, user=user, password=key)
root = server.default
assert root.url in [r.url for r in server.api_roots], "the default is not one of the api roots"
(collection,) = [c for c in root.collections if not c.can_write]
assert collection.can_read

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

def of_all_pages(read, **filters):
    return [item for page in as_pages(read, per_request=1000, **filters) for item in page.get("objects", [])]


dates = [o["date_added"] for o in of_all_pages(collection.get_manifest)]
middle = dates[len(dates) // 2]
later = of_all_pages(collection.get_objects, added_after=middle)
assert len(later) == sum(date > middle for date in dates)

(feedback,) = [c for c in root.collections if c.can_write]
opinion = {
    "type": "opinion",
    "spec_version": "2.1",
    "id": f"opinion--{uuid.uuid4()}",
    "created": "2026-01-01T00:00:00.000Z",
    "modified": "2026-01-01T00:00:00.000Z",
    "opinion": "strongly-disagree",
    "object_refs": [indicators[0]["id"]],
}
status = feedback.add_objects({"objects": [opinion, {**opinion, "id": "opinion--x"}]})
assert (status.status, status.total_count, status.success_count, status.failure_count) == ("complete", 2, 1, 1)
assert status.successes[0]["id"] == opinion["id"] and status.failures[0]["id"] == "opinion--x"
status.refresh()
assert status.total_count == 2
assert feedback.add_objects({"objects": [opinion]}).success_count == 1, "a duplicate is no failure"
assert feedback.get_object(opinion["id"])["objects"] == [opinion]
feedback.delete_object(opinion["id"])
try:
    feedback.get_object(opinion["id"])
    raise AssertionError("the object is still there")
except HTTPError as error:
    assert error.response.status_code == 404

print(f"{len(seen)} objects")
