"""Pages 10,000 objects of a seeded server with the OASIS client while others post: every object exactly once.

Readers go by the server's `next`, and by `added_after` alone with the header X-TAXII-Date-Added-Last, as clients do that come back
later. Usage: taxii_paging.py LOCKSTEP
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from requests import Session
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

SEEDED, WRITERS, POSTS, EACH = 10_000, 3, 150, 10
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
LOGIN = {"user": "suite", "password": "only for tests"}


def sighting():
    return {
        "type": "sighting",
        "spec_version": "2.1",
        "id": f"sighting--{uuid.uuid4()}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "sighting_of_ref": f"indicator--{uuid.uuid4()}",
    }


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


lockstep = os.path.abspath(sys.argv[1])
objects = [
    {"date_added": f"2020-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}.000000Z", "object": sighting()}
    for n in range(SEEDED)
]
seed = {
    "discovery": {"title": "Paging"},
    "users": [{"name": LOGIN["user"], "password": LOGIN["password"]}],
    "page_size": 100,
    "max_page_size": 1000,
    "api_roots": [
        {
            "path": "main",
            "title": "Paging",
            "collections": [
                {"id": COLLECTION, "title": "All", "can_read": True, "can_write": True, "objects": objects}
            ],
        }
    ],
}
folder = tempfile.TemporaryDirectory()
seed_file = os.path.join(folder.name, "seed.json")
with open(seed_file, "w") as file:
    json.dump(seed, file)
port = free_port()
url = f"http://127.0.0.1:{port}/taxii2/"
command = [lockstep, "serve", "share", "--seed", seed_file, "--database", os.path.join(folder.name, "new.sqlite")]
command += ["--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"]
server = subprocess.Popen(command, cwd=folder.name, stdout=subprocess.DEVNULL)

try:
    for _ in range(600):
        assert server.poll() is None, "the server ended, see above"
        try:
            Server(url, **LOGIN).title
            break
        except OSError:
            time.sleep(0.1)
    # Each thread has a client of its own.
    def collection():
        return Collection(f"{url}main/collections/{COLLECTION}/", **LOGIN)

    posted, ended, problems = [], threading.Event(), []
    lock = threading.Lock()

    def guarded(work, *args):
        def run():
            try:
                work(*args)
            except BaseException as problem:
                problems.append(problem)
                raise

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write():
        mine = collection()
        for _ in range(POSTS):
            batch = [sighting() for _ in range(EACH)]
            status = mine.add_objects({"objects": batch})
            assert status.success_count == EACH, status.failures
            # Long enough for every reader to come back several times.
            time.sleep(0.01)
            with lock:
                posted.extend(o["id"] for o in batch)

    def read_by_next(size, seen):
        mine, after = collection(), {}
        while True:
            last_round = ended.is_set()
            for page in as_pages(mine.get_objects, per_request=size, **after):
                seen.extend(o["id"] for o in page.get("objects", []))
            # To come back for what was added since: the newest date of the manifest up to what was seen.
            record = mine.get_manifest(id=seen[-1])["objects"][0]
            after = {"added_after": record["date_added"]}
            if last_round:
                return

    def read_by_date(size, seen):
        session, after = Session(), None
        session.auth = (LOGIN["user"], LOGIN["password"])
        session.headers["Accept"] = "application/taxii+json;version=2.1"
        while True:
            last_round = ended.is_set()
            while True:
                params = {"limit": size, **({"added_after": after} if after else {})}
                answer = session.get(f"{url}main/collections/{COLLECTION}/objects/", params=params)
                answer.raise_for_status()
                page = answer.json().get("objects", [])
                seen.extend(o["id"] for o in page)
                if not page:
                    break
                after = answer.headers["X-TAXII-Date-Added-Last"]
            if last_round:
                return

    readers = {f"{read.__name__}({size})": (read, size, []) for read in (read_by_next, read_by_date) for size in (97, 1000)}
    began = time.monotonic()
    reading = [guarded(read, size, seen) for read, size, seen in readers.values()]
    writing = [guarded(write) for _ in range(WRITERS)]
    for thread in writing:
        thread.join()
    ended.set()
    for thread in reading:
        thread.join()
    assert not problems, problems

    expected = {entry["object"]["id"] for entry in objects} | set(posted)
    assert len(expected) == SEEDED + WRITERS * POSTS * EACH
    for name, (_, _, seen) in readers.items():
        assert len(seen) == len(set(seen)), f"{name}: an object came twice"
        assert set(seen) == expected, f"{name}: {len(expected - set(seen))} objects never came"
    root = ApiRoot(f"{url}main/", **LOGIN)
    assert [c.id for c in root.collections] == [COLLECTION]
    print(f"{len(expected)} objects, {len(posted)} of them posted meanwhile, each once for {len(readers)} readers")
    print(f"{time.monotonic() - began:.1f} s")
finally:
    server.terminate()
    server.wait()
