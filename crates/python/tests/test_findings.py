"""The same posts give the findings of the command line, from any kind of input."""

import csv
import subprocess

import pandas
import polars
import pyarrow
import pyarrow.json
import pytest

import lockstep


def test_a_path_and_several(found, posts, same, tmp_path):
    same(found)
    lines = posts.read_bytes().splitlines(keepends=True)
    parts = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for part, some in zip(parts, [lines[::2], lines[1::2]]):
        part.write_bytes(b"".join(some))
    same(lockstep.detect([str(part) for part in parts]))


def test_pandas(posts, records, same):
    same(lockstep.detect(pandas.DataFrame(records)))
    frame = pandas.read_json(posts, lines=True, dtype=False)
    frame["created_at"] = pandas.to_datetime(frame["created_at"], utc=True)
    frame["platform"] = frame["platform"].astype("category")
    same(lockstep.detect(frame))
    frame["created_at"] = frame["created_at"].dt.tz_localize(None)
    same(lockstep.detect(frame))


def test_polars(posts, records, same):
    frame = polars.read_ndjson(posts, infer_schema_length=None)
    same(lockstep.detect(frame))
    times = polars.col("created_at").str.to_datetime(time_zone="UTC")
    frame = frame.with_columns(times, polars.col("platform").cast(polars.Categorical))
    same(lockstep.detect(frame))


def test_pyarrow(posts, records, same):
    table = pyarrow.json.read_json(posts)
    assert pyarrow.types.is_timestamp(table.schema.field("created_at").type)
    same(lockstep.detect(table))
    batches = table.to_batches(max_chunksize=1000)
    same(lockstep.detect(pyarrow.RecordBatchReader.from_batches(table.schema, iter(batches))))
    same(lockstep.detect(table.combine_chunks().to_batches()[0]))


def test_other_names_of_columns(records, same):
    frame = pandas.DataFrame(records).rename(columns={"text": "Message", "account_id": "Page"})
    frame["remark"] = "x"
    columns = {"text": "Message", "account_id": "Page", "ignore": "remark"}
    same(lockstep.detect(frame, columns=columns))


def test_tables_go_to_pandas_polars_and_pyarrow(found, expected):
    findings = found
    rows = list(csv.DictReader((expected / "accounts.csv").open()))
    for accounts in [
        findings.accounts.to_pandas().to_dict("records"),
        findings.accounts.to_polars().to_dicts(),
        polars.DataFrame(findings.accounts).to_dicts(),
        pyarrow.table(findings.accounts).to_pylist(),
    ]:
        assert [account["account"] for account in accounts] == [row["account"] for row in rows]
        # An unknown value is None, or NaN in pandas.
        known = [account["status"] if isinstance(account["status"], str) else "" for account in accounts]
        assert known == [row["status"] for row in rows]
    assert [round(number, 4) for number in findings.accounts.to_arrow()["suspicion"].to_pylist()] == [
        pytest.approx(float(row["suspicion"]), abs=1e-4) for row in rows
    ]
    clusters = findings.clusters.to_pandas()
    assert str(clusters["first_seen"].dtype).endswith("UTC]")
    assert len(clusters) == len(findings.clusters) == findings.clusters.num_rows
    assert len(clusters["accounts"][0]) >= 3
    ties = list(csv.DictReader((expected / "ties.csv").open()))
    assert findings.ties.to_arrow()["co_acts"].to_pylist() == [int(tie["co_acts"]) for tie in ties]
    objects = list(csv.DictReader((expected / "objects.csv").open()))
    columns = findings.objects.to_arrow()
    assert columns.column_names == list(objects[0])
    for name in ["kind", "key", "source", "used_by"]:
        assert columns[name].to_pylist() == [row[name] for row in objects], name
    assert [" ".join(ids) for ids in columns["clusters"].to_pylist()] == [row["clusters"] for row in objects]
    assert [text or "" for text in columns["text"].to_pylist()] == [row["text"] for row in objects]
    assert {"group", "crowd"} == set(columns["used_by"].to_pylist()) and any(columns["text"].to_pylist())


def test_summary_and_words(found, posts):
    findings = found
    assert findings.summary["posts"] == sum(1 for _ in posts.open())
    assert findings.summary["flagged"] >= 1
    assert f"{findings.summary['flagged']} flagged" in repr(findings)
    rows = pandas.read_json(posts, lines=True, dtype=False).head(100)
    notices = lockstep.detect(rows).notices
    assert any("the table: " in notice and "created_at" in notice for notice in notices)


def test_parameters_are_those_of_the_configuration(found, posts, tmp_path):
    strict = lockstep.detect(posts, alpha=1e-9, traces=["url"], short_links={"sho.rt/a": "https://example.org/a"})
    file = tmp_path / "lockstep.toml"
    file.write_text("[sharing]\nanything = 1\n[detector]\nbatch = 5\n[detector.engine]\nalpha = 1e-9\ntraces = [\"url\"]\n")
    from_file = lockstep.detect(posts, config=file)
    assert strict.clusters.to_arrow().equals(from_file.clusters.to_arrow())
    assert strict.summary["candidates_tested"] != found.summary["candidates_tested"]


def test_progress_is_reported(posts):
    told = []
    findings = lockstep.detect(posts, on_progress=lambda *now: told.append(now))
    assert told[-1] == ("detecting", findings.summary["posts"], findings.summary["posts"])
    assert ("reading", posts.stat().st_size, posts.stat().st_size) in told


def test_explain_as_the_command_does(found, expected, command):
    findings = found
    row = findings.clusters.to_arrow().slice(0, 1).to_pylist()[0]
    printed = subprocess.run(
        [command, "explain", row["cluster_id"], "--from", str(expected)], check=True, capture_output=True, text=True
    ).stdout
    assert findings.explain(row["cluster_id"]) == printed
    assert lockstep.explain(row["json"]) == printed
    with pytest.raises(lockstep.LockstepError, match="these findings has no cluster"):
        findings.explain("c-none")
