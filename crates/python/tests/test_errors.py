"""Errors become exceptions and warnings become warnings, with the texts of the command line."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import warnings

import pandas
import pyarrow
import pytest

import lockstep

README = pathlib.Path(__file__).parent.parent / "README.md"
POST = {"id": "1", "platform": "x", "account_id": "a", "account_name": "Ann", "created_at": "2026-01-01T00:00:00Z"}


def of_command(command, *arguments):
    """The error with which the command line exits."""
    done = subprocess.run([command, "detect", *arguments], capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1].removeprefix("error: ")


def test_errors_are_those_of_the_command_line(command, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    no_table = tmp_path / "table.csv"
    no_table.write_text("a,b\n1,2\n")
    for file in [tmp_path / "missing.jsonl", tmp_path, empty, no_table]:
        with pytest.raises(lockstep.LockstepError) as raised:
            lockstep.detect(file)
        assert str(raised.value) == of_command(command, str(file), "--out", str(tmp_path / "out"))
    with pytest.raises(lockstep.LockstepError) as raised:
        lockstep.detect(pandas.DataFrame({"a": [1], "b": [2]}))
    of_csv = of_command(command, str(no_table), "--out", str(tmp_path / "out"))
    # A data frame has no separator, so the hint about a wrong separator is missing.
    of_csv = of_csv.replace(str(no_table), "the table").replace('its cells are separated by ","; ', "")
    assert str(raised.value) == of_csv


def test_what_is_no_table_and_no_option_is_said():
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        lockstep.detect(3)
    with pytest.raises(lockstep.LockstepError, match='unknown key detector.engine.alhpa, did you mean "alpha"'):
        lockstep.detect(pandas.DataFrame([POST]), alhpa=0.1)
    with pytest.raises(lockstep.LockstepError, match="alpha"):
        lockstep.detect(pandas.DataFrame([POST]), alpha=7)
    with pytest.raises(lockstep.LockstepError, match="timezone"):
        lockstep.detect(pandas.DataFrame([POST]), timezone="Mars")


def test_what_may_be_a_mistake_is_a_warning():
    rows = [POST, POST | {"id": "2", "created_at": "yesterday"}, POST | {"id": "3", "followers": "many"}]
    with pytest.warns(lockstep.InputWarning) as told:
        findings = lockstep.detect(pandas.DataFrame(rows))
    texts = [str(warning.message) for warning in told]
    assert any(text.startswith("1 line rejected") and "the table:2: `created_at`" in text for text in texts), texts
    assert any("followers" in text for text in texts), texts
    (row,) = findings.rejected.to_arrow().to_pylist()
    assert (row["line"], row["field"]) == (2, "created_at")
    with warnings.catch_warnings():
        warnings.simplefilter("error", lockstep.InputWarning)
        with pytest.raises(lockstep.InputWarning):
            lockstep.detect(pandas.DataFrame(rows))
        lockstep.detect(pandas.DataFrame([POST]))


def test_no_posts_are_an_error():
    with pytest.raises(lockstep.LockstepError, match="no post could be read"):
        lockstep.detect(pandas.DataFrame(columns=list(POST)).astype(str))


def test_a_stream_that_breaks_off_is_told():
    schema = pyarrow.table(pandas.DataFrame([POST])).schema

    def batches():
        yield pyarrow.RecordBatch.from_pylist([POST], schema=schema)
        raise RuntimeError("the source is gone")

    with pytest.warns(lockstep.InputWarning, match="breaks off"):
        findings = lockstep.detect(pyarrow.RecordBatchReader.from_batches(schema, batches()))
    assert findings.summary["posts"] == 1


def test_an_error_in_a_callback_comes_out(posts):
    def fail(*_):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        lockstep.detect(posts, on_progress=fail)


def test_an_exception_of_the_callback_stops_the_run(posts):
    calls = []

    def fail(stage, done, total):
        calls.append(stage)
        if stage == "detecting":
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        lockstep.detect(posts, on_progress=fail)
    assert calls.count("detecting") == 1


def test_ctrl_c_stops_the_run(posts, tmp_path):
    pipe = tmp_path / "posts.jsonl"
    os.mkfifo(pipe)
    code = "import sys, lockstep; lockstep.detect(sys.argv[1])"
    run = subprocess.Popen([sys.executable, "-c", code, str(pipe)], stderr=subprocess.PIPE, text=True)
    lines = posts.read_bytes()
    try:
        # Opening the pipe waits until the run opens it, too.
        with pipe.open("wb") as out:
            out.write(lines)
            run.send_signal(signal.SIGINT)
            # Without the signal, the run would read all of this, and end without an error.
            for _ in range(20):
                out.write(lines)
    except BrokenPipeError:
        pass
    _, error = run.communicate()
    assert run.returncode != 0
    assert "KeyboardInterrupt" in error


def test_times_without_a_zone_are_in_the_one_that_is_named():
    frame = pandas.DataFrame([POST | {"created_at": pandas.Timestamp("2026-01-01 12:00:00")}])
    of = lambda **options: lockstep.detect(frame, **options).summary["first_post"]
    assert of() == "2026-01-01T12:00:00Z"
    assert of(timezone="Europe/Berlin") == "2026-01-01T11:00:00Z"


def test_the_example_in_the_readme(posts, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "posts.jsonl").symlink_to(posts)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(example, str(README), "exec"), {})
    assert "flagged" in capsys.readouterr().out
    assert (tmp_path / "out" / "clusters.jsonl").read_bytes() == (expected / "clusters.jsonl").read_bytes()
