#!/usr/bin/env python3
"""Makes the fixtures of the upgrade test with a build of Lockstep: what a deployment has on disk
after the story of tests/unchanged.

    tests/upgrade/make.py BINARY FOLDER COMMIT [POSTGRES]

POSTGRES is the address of an empty database, as tests/postgres/postgres.sh prints it; pg_dump must
be on the path. The files are packed with zstd, which must be there, too. COMMIT says of which
commit the binary is, for the record.
"""

import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "unchanged"))

from story import Story  # noqa: E402

# An id of the embedded log's records holds the number of the topic's partition above these bits.
OFFSET_BITS = 40


def pack(path, to):
    subprocess.run(["zstd", "-19", "--quiet", "--force", str(path), "-o", str(to)], check=True)


def store(story):
    """What must still be found in the store, whatever program opens it."""
    cases = {case: story.ann.json(f"/api/clusters/{case}") for case in story.cases()}
    collections = {}
    for partner in [story.chirp, story.commons]:
        root, listed = partner.collections()
        readable = next(one["id"] for one in listed if one["can_read"] and not one["can_write"])
        rows = partner.json(f"{root}collections/{readable}/manifest/?match[version]=all&limit=1000")["objects"]
        objects = sorted(f"{row['id']} {row['version']}" for row in rows)
        # The key of the story ends in a year.
        key = story.lockstep.command("partners", "key", partner.name, "--expires", "never").strip()
        collections[partner.name] = {"key": key, "collection": f"{root}collections/{readable}/", "versions": objects}
    deliveries = story.adm.json("/api/deliveries")["deliveries"]
    return {
        "audit": story.adm.json("/api/audit/verification"),
        "cases": {
            case: {
                "state": found["case"]["state"],
                "revision": found["revision"],
                "version": found["case"]["version"],
                "accounts": len(found["cluster"]["accounts"]),
                "history": len(found["history"]),
                "feedback": len(found["feedback"]),
                "retractions": len(found["retractions"]),
                "retraction_cases": len(found["retraction_cases"]),
            }
            for case, found in cases.items()
        },
        "partners": collections,
        "deliveries": {state: sum(one["state"] == state for one in deliveries) for state in sorted({one["state"] for one in deliveries})},
    }


def log(path):
    """Records by topic, counted in the log's file itself."""
    database = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    records = "select count(*) from record where record.id >> ? = slot.id"
    counts = {}
    for name, count in database.execute(f"select topic.name, ({records}) from slot join topic on topic.id = slot.topic", [OFFSET_BITS]):
        counts[name] = counts.get(name, 0) + count
    database.close()
    return dict(sorted(counts.items()))


def live(binary, folder, database=None):
    """Goes through the story; what must still be found in its store."""
    story = Story(binary, folder, database)
    try:
        story.live()
        found = store(story)
        story.end()
        return found
    finally:
        story.lockstep.kill()


def main():
    binary, out, commit, *postgres = sys.argv[1:]
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lockstep-upgrade-") as folder:
        folder = pathlib.Path(folder)
        expected = {"commit": commit, "sqlite": live(binary, folder / "sqlite")}
        expected["log"] = log(folder / "sqlite" / "log" / "log.db")
        for name in ["sharing.sqlite", "log/log.db"]:
            if (folder / "sqlite" / f"{name}-wal").exists():
                sys.exit(f"{name} was not closed")
        pack(folder / "sqlite" / "sharing.sqlite", out / "sharing.sqlite.zst")
        pack(folder / "sqlite" / "log" / "log.db", out / "log.db.zst")
        pack(sorted((folder / "sqlite" / "checkpoints").glob("*.checkpoint"))[-1], out / "detector.checkpoint.zst")
        shutil.copy(folder / "sqlite" / "users.toml", out / "users.toml")
        if postgres:
            expected["postgres"] = live(binary, folder / "postgres", postgres[0])
            dump = ["pg_dump", "--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=50", postgres[0]]
            text = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
            # What only psql understands; the rest is SQL for any client.
            text = re.sub(r"^\\.*\n", "", text, flags=re.MULTILINE)
            (folder / "sharing.sql").write_text(text)
            pack(folder / "sharing.sql", out / "sharing.sql.zst")
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
