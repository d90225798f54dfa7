"""Simulated posts, and the findings of the command line."""

import json
import os
import subprocess

import pytest

import lockstep


@pytest.fixture(scope="session")
def command():
    """The lockstep command, whose findings are the expected ones."""
    return os.environ["LOCKSTEP_COMMAND"]


@pytest.fixture(scope="session")
def posts(command, tmp_path_factory):
    """Posts of a small simulated world with campaigns, as NDJSON."""
    file = tmp_path_factory.mktemp("world") / "posts.jsonl"
    with file.open("wb") as out:
        subprocess.run([command, "simulate", "--world", "demo", "--seed", "3"], check=True, stdout=out)
    return file


@pytest.fixture(scope="session")
def expected(command, posts, tmp_path_factory):
    """The folder of results that the command line writes for these posts."""
    out = tmp_path_factory.mktemp("expected")
    subprocess.run([command, "detect", str(posts), "--out", str(out), "--no-report"], check=True, capture_output=True)
    assert '"status":"flagged"' in (out / "clusters.jsonl").read_text(), "a world in which nothing is found proves nothing"
    return out


@pytest.fixture(scope="session")
def found(posts):
    """The findings of the package in these posts."""
    return lockstep.detect(posts)


@pytest.fixture(scope="session")
def records(posts):
    """The posts as dictionaries."""
    return [json.loads(line) for line in posts.read_text().splitlines()]


FILES = ["clusters.jsonl", "near_misses.jsonl", "ties.csv", "accounts.csv", "objects.csv", "network.graphml", "network.gexf"]


@pytest.fixture
def same(expected, tmp_path):
    """Checks that findings equal those of the command line, byte for byte."""

    def check(findings):
        findings.write(tmp_path / "out")
        for name in FILES:
            assert (tmp_path / "out" / name).read_bytes() == (expected / name).read_bytes(), name
        lines = (expected / "clusters.jsonl").read_text().splitlines()
        assert findings.clusters.to_arrow()["json"].to_pylist() == lines
        lines = (expected / "near_misses.jsonl").read_text().splitlines()
        assert findings.near_misses.to_arrow()["json"].to_pylist() == lines

    return check

