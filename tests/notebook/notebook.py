"""Opens a dataset in pyarrow, pandas and polars, runs the guide's snippets, and has Lockstep read what came of it.

Usage: notebook.py LOCKSTEP GUIDE FOLDER
"""

import json
import math
import os
import pathlib
import re
import subprocess
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

lockstep = os.path.abspath(sys.argv[1])
guide = pathlib.Path(sys.argv[2]).read_text()
os.chdir(sys.argv[3])


def run(*arguments):
    done = subprocess.run([lockstep, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def summary(file):
    return json.loads(run("dataset", "show", file, "--json"))


run("dataset", "build", "--world", "training", "--world", "innocents", "--seeds", "2", "--out", "data")
about = json.loads(pathlib.Path("data/dataset.json").read_text())["dataset"]
features = [feature["name"] for feature in about["features"]]
texts = ["cluster_id", "label_source", "campaign", "benign_class", "world", "platform", "language"]
wholes = ["seed", "accounts", "campaign_fold", "collection_fold", "time_fold"]

# Types, nulls and counts, as pyarrow sees them.
table = pq.read_table("data/clusters.parquet")
types = {field.name: (field.type, field.nullable) for field in table.schema}
expected = {name: (pa.string(), False) for name in texts}
expected |= {name: (pa.int64(), False) for name in wholes}
expected |= {"inauthentic": (pa.bool_(), False), "weight": (pa.float64(), False)}
expected |= {"at": (pa.timestamp("ms", tz="UTC"), False)}
expected |= {name: (pa.float64(), True) for name in features}
assert types == expected, {name: (types.get(name), expected.get(name)) for name in types | expected}
assert table.num_rows == about["rows"] > 100
for feature in about["features"]:
    assert table[feature["name"]].null_count == feature["missing"], feature
assert sum(feature["missing"] for feature in about["features"]) > 0, "nothing is missing: nothing was tested"
assert sum(table["inauthentic"].to_pylist()) == about["inauthentic"]
assert not any(math.isnan(x) for name in features for x in table[name].drop_null().to_pylist()), "null, not NaN"


def same(csv, parquet, what):
    """The CSV says the same to the last bit; each is a column name to a list of values, None for what is not known."""
    assert len(csv["label"]) == len(parquet["inauthentic"]) == about["rows"], what
    assert [label == "inauthentic" for label in csv["label"]] == parquet["inauthentic"], what
    assert csv["at_ms"] == [round(at.timestamp() * 1000) for at in parquet["at"]], what
    for name in texts:
        assert [text or "" for text in csv[name]] == parquet[name], f"{what}: {name}"
    for name in ["weight", *wholes, *features]:
        assert csv[name] == parquet[name], f"{what}: {name}"


def without_nan(frame):
    return {
        name: [None if isinstance(x, float) and math.isnan(x) else x for x in frame[name].tolist()]
        for name in frame.columns
    }


rows, lines = pd.read_parquet("data/clusters.parquet"), pd.read_csv("data/clusters.csv")
same(without_nan(lines), without_nan(rows), "pandas")
frame, csv = pl.read_parquet("data/clusters.parquet"), pl.read_csv("data/clusters.csv", infer_schema_length=None)
same(csv.to_dict(as_series=False), frame.to_dict(as_series=False), "polars")
assert frame.schema["at"] == pl.Datetime("ms", "UTC") and rows["at"].dt.tz is not None

# Whatever wrote it, Lockstep reads the same rows.
shuffled = rows.sample(frac=1, random_state=7)
shuffled[sorted(rows.columns)].to_parquet("pandas.parquet")
shuffled.astype({"at": "datetime64[ns, UTC]", "world": "category"}).to_parquet("pandas-ns.parquet", compression="gzip")
lines.to_csv("pandas.csv")
frame.select(sorted(frame.columns)).write_parquet("polars.parquet")
frame.with_columns(pl.col("at").dt.replace_time_zone(None).dt.cast_time_unit("us")).write_parquet("polars-us.parquet")
csv.write_csv("polars.csv")
for file in sorted(pathlib.Path().glob("p*.*")):
    assert summary(str(file))["fingerprint"] == about["fingerprint"], file
rows.assign(mood=1.0).to_parquet("extra.parquet")
refused = subprocess.run([lockstep, "dataset", "show", "extra.parquet"], capture_output=True, text=True)
assert refused.returncode == 1 and "unknown mood" in refused.stderr, refused.stderr

# The guide's own snippets, in their order, and models trained on what they wrote.
snippets = re.findall(r"```python\n(.*?)```", guide, re.S)
assert len(snippets) == 2, "the guide shows pandas and polars"
for number, snippet in enumerate(snippets):
    exec(compile(snippet, f"snippet {number + 1} of the guide", "exec"), {})
last, held_out, rest = (summary(f"data/{name}.parquet") for name in ("last", "held_out", "rest"))
assert 0 < last["rows"] < about["rows"]
assert held_out["rows"] + rest["rows"] == about["rows"] and held_out["rows"] > 0
assert not {group["collection"] for group in held_out["groups"]} & {group["collection"] for group in rest["groups"]}
manifest = json.loads(run("train", "--dataset", "data/last.parquet", "--version", "notebook", "--models", "models", "--json"))
assert manifest["training"]["rows"] == last["rows"] and manifest["training"]["fingerprint"] == last["fingerprint"]
print(f"{about['rows']} clusters read by pyarrow, pandas and polars, and read back from what they wrote")
