"""Runs Lockstep on simulated posts, reads its tables with the vignette's pandas recipe, and its networks with networkx and igraph.

Usage: outputs.py LOCKSTEP VIGNETTE FOLDER
"""

import os
import pathlib
import re
import subprocess
import sys

import igraph
import networkx

lockstep = os.path.abspath(sys.argv[1])
vignette = pathlib.Path(sys.argv[2]).read_text()
os.chdir(sys.argv[3])
for arguments in [
    ["simulate", "--world", "demo", "--seed", "1", "--out", "demo"],
    ["detect", "demo/posts.jsonl.zst", "--out", "out"],
]:
    done = subprocess.run([lockstep, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"

# The vignette's own recipe.
(recipe,) = re.findall(r"```python\n(.*?)```", vignette, re.S)
names = {}
exec(compile(recipe, "recipe of the vignette", "exec"), names)
accounts, ties, clusters, flagged = names["accounts"], names["ties"], names["clusters"], names["flagged"]
assert len(flagged) > 0 and len(names["inside"]) > 0 and len(names["by_group"]) > 0
assert set(ties["account_a"]) | set(ties["account_b"]) <= set(accounts["account"])
members = names["members"]
assert set(members[members["status"] == "flagged"]["account"]) == set(flagged["account"])
assert names["objects"]["first"].dt.tz is not None

# One edge a tie, one node an account, attributes with their types, in every reader.
graph = networkx.read_graphml("out/network.graphml")
same = networkx.read_gexf("out/network.gexf")
third = igraph.Graph.Read_GraphML("out/network.graphml")
for read in [graph, same]:
    assert not read.is_directed() and read.number_of_edges() == len(ties), read
    assert {frozenset(edge) for edge in read.edges} == {frozenset(pair) for pair in zip(ties["account_a"], ties["account_b"])}
    assert set(flagged["account"]) <= set(read.nodes)
    some = flagged["account"].iloc[0]
    row = accounts[accounts["account"] == some].iloc[0]
    assert read.nodes[some]["status"] == "flagged" and read.nodes[some]["cluster_id"] == row["cluster_id"]
    assert read.nodes[some]["posts"] == row["posts"] and read.nodes[some]["account_name"] == row["account_name"]
    a, b = ties.loc[0, ["account_a", "account_b"]]
    edge = read.edges[a, b]
    assert edge["kind"] == ties.loc[0, "kind"] and edge["co_acts"] == edge["distinct_keys"] == ties.loc[0, "co_acts"]
    assert abs(edge["nats"] - ties.loc[0, "nats"]) < 1e-3 and isinstance(edge["median_lag_s"], float)
assert third.ecount() == len(ties) and third.vcount() == graph.number_of_nodes()
assert set(third.vs["id"]) == set(graph.nodes) and "flagged" in third.vs["status"] and max(third.es["nats"]) > 0
print(f"{len(accounts)} accounts and {len(ties)} ties read by pandas, networkx and igraph")
