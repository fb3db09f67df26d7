"""Runs of this machine, read with the commands that read the platform's."""

import json
import os
import re
import subprocess
import sys

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse, ListRunsResponse, Run, RunDetail
from limosa_idl.run.v1alpha1 import run_pb2 as pb

FLOW = '''
import logging
import sys

from limosa import Directory, File, conditional, map_task, task, workflow

log = logging.getLogger("flow")
log.handlers = [logging.StreamHandler()]


@task
def square(x: int) -> int:
    print(f"squaring {x}")
    return x * x


@task(retries=1)
def total(xs: list[int], limit: int) -> int:
    log.warning("adding %d numbers", len(xs))
    print("to stderr", file=sys.stderr)
    if sum(xs) > limit:
        raise ValueError(f"more than {limit}")
    return sum(xs)


@task
def note(n: int) -> File:
    with open("note.txt", "w") as out:
        out.write(f"n is {n}")
    return File("note.txt")


@workflow
def inner(n: int) -> File:
    return conditional("size").if_(n > 5).then(note(n=n)).else_().then(note(n=0))


@workflow
def flow(xs: list[int] = [1, 2, 3], limit: int = 100) -> File:
    """Squares, adds and notes."""
    return inner(n=total(xs=map_task(square)(x=xs), limit=limit))
'''


@pytest.fixture
def project(place):
    (place / "flow.py").write_text(FLOW)
    return place


def begin(limosa, *words, entity="flow", status=0):
    """Runs the flow here; gives the run's name and what was told."""
    result = limosa("run", "flow.py", entity, *words)
    assert result.status == status, result.err
    return re.search(r"^run (\S+)", result.err, re.MULTILINE).group(1), result


def test_a_run_says_its_name_first(limosa, project):
    name, result = begin(limosa)
    assert result.err.splitlines()[0] == f"run {name}  kept in .limosa/runs"


def test_its_values_can_be_read(limosa, project):
    name, _ = begin(limosa)
    assert limosa("inputs", name).out == "xs: [1, 2, 3]\nlimit: 100\n"
    assert limosa("inputs", name, "total").out == "xs: [1, 4, 9]\nlimit: 100\n"
    assert limosa("outputs", name, "square").out == "[1, 4, 9]\n"
    assert limosa("outputs", name, "n0", "--index", "1").out == "4\n"
    assert limosa("inputs", name, "n0", "--index", "1").out == "x: 2\n"
    assert limosa("outputs", name, "n1").out == "14\n"
    assert limosa("inputs", name, "inner").out == "n: 14\n"
    shown = limosa("outputs", name, "-o", "json")
    assert json.loads(shown.out)["o0"]["uri"].startswith("file://")
    assert shown.err == "local · .limosa/runs\n"


def test_its_logs_are_what_python_printed(limosa, project):
    name, _ = begin(limosa)
    lines = limosa("logs", name).out.splitlines()
    assert lines[:3] == ["n0[0] │ squaring 1", "n0[1] │ squaring 2", "n0[2] │ squaring 3"]
    assert lines[3:] == ["n1 │ adding 3 numbers", "n1 │ to stderr"]
    assert limosa("logs", name, "square", "--index", "2").out == "squaring 3\n"
    assert limosa("logs", name, "total", "--tail", "1").out == "to stderr\n"
    assert "nothing was printed" in limosa("logs", name, "n2").err


def test_it_is_shown_as_a_remote_one(limosa, project):
    name, _ = begin(limosa)
    text = re.sub(r" +\d+\.\d s", " 0.0 s", limosa("get", "run", name).out)
    assert [line.rstrip() for line in text.splitlines()[:6]] == [
        f"✓ {name} succeeded after 0.0 s",
        "  ✓ n0 square 0.0 s  3/3 items",
        "  ✓ n1 total 0.0 s",
        "  ✓ n2 inner 0.0 s",
        "    ✓ n2 size 0.0 s",
        "      ✓ n0 note 0.0 s",
    ]
    facts = json.loads(limosa("get", "run", name, "-o", "json").out)
    assert (facts["phase"], facts["target"], facts["nodes"]) == ("succeeded", "flow.flow", "5/5")
    node = json.loads(limosa("get", "run", name, "n0", "-o", "json").out)
    assert [one["index"] for one in node["attempts"]] == [0, 1, 2]
    assert node["outputs"] == {"o0": [1, 4, 9]}


def test_a_failed_one_tells_the_ways_on_and_they_work(limosa, project):
    name, result = begin(limosa, "--limit", "3", status=1)
    ways = [line.strip() for line in result.err.splitlines() if line.strip().startswith("limosa ")]
    verbs = ["logs", "inputs", "explain"]
    assert ways == [*(f"limosa {verb} {name} n1" for verb in verbs), f"limosa get run {name}"]
    for way in ways:
        assert limosa(*way.split()[1:]).status == 0, way
    text = limosa("get", "run", name).out
    assert f"✗ {name} failed" in text
    assert "ValueError: more than 3" in text
    assert "– n2 inner" in text
    assert "not run" in text
    assert "adding 3 numbers" in text  # the last log lines
    assert limosa("logs", name, "n1", "--attempt", "1").out.startswith("adding 3 numbers\n")
    beyond = limosa("logs", name, "n1", "--attempt", "3")
    assert (beyond.status, "there were 2" in beyond.err) == (2, True)
    missing = limosa("outputs", name)
    assert (missing.status, missing.out) == (2, "")
    assert (
        f"there are no outputs: the run failed\n  at run {name}\n  → `limosa explain {name}` says why"
        in missing.err
    )


def test_files_are_fetched(limosa, project):
    name, _ = begin(limosa)
    result = limosa("download", name, "got")
    assert result.status == 0, result.err
    assert (project / "got" / "o0" / "note.txt").read_text() == "n is 14"
    assert limosa("download", name, "total").status == 0
    assert not (project / name / "outputs.json").exists()
    (written,) = (project / name).glob("n*/outputs.json")
    assert json.loads(written.read_text()) == {"o0": 14}


def test_they_are_listed(limosa, project):
    names = [begin(limosa)[0], begin(limosa, "--limit", "3", status=1)[0]]
    facts = json.loads(limosa("get", "runs", "--local", "-o", "json").out)
    assert [(one["name"], one["phase"]) for one in facts] == [(names[1], "failed"), (names[0], "succeeded")]
    lines = limosa("get", "runs", "--local", "--phase", "failed").out.splitlines()
    assert len(lines) == 2
    assert lines[1].split()[:3] == [names[1], "failed", "flow.flow"]


def test_a_single_task_is_a_run_too(limosa, project):
    name, _ = begin(limosa, "--x", "4", entity="square")
    assert limosa("outputs", name).out == limosa("outputs", name, "square").out == "16\n"
    assert limosa("logs", name, "n0").out == "squaring 4\n"


def test_a_run_that_was_stopped_is_aborted(limosa, project):
    (project / "flow.py").write_text(FLOW.replace("    return x * x", "    raise KeyboardInterrupt"))
    name, _ = begin(limosa, status=130)
    assert json.loads(limosa("get", "run", name, "-o", "json").out)["phase"] == "aborted"


def remote_run(admin, name):
    state = pb.RunState(phase=pb.RUN_PHASE_SUCCEEDED, finished_at=Timestamp(seconds=1))
    admin.script["GetRun"] = [RunDetail(run=Run(name=name, state=state))]
    admin.script["GetRunData"] = [GetRunDataResponse()]


def test_a_local_run_is_read_before_the_platform_is_asked(limosa, project, admin):
    name, _ = begin(limosa)
    result = limosa("get", "run", name, "-o", "json")
    assert json.loads(result.out)["target"] == "flow.flow"
    assert result.err == "local · .limosa/runs\n"
    assert admin.calls == []


@pytest.mark.parametrize("flags", [["--endpoint"], ["-p", "demo"], ["-d", "development"]])
def test_flags_that_choose_a_target_mean_the_platform(limosa, project, admin, monkeypatch, flags):
    import os

    name, _ = begin(limosa)
    remote_run(admin, name)
    words = [*flags, os.environ["LIMOSA_ENDPOINT"]] if flags == ["--endpoint"] else flags
    result = limosa("get", "run", *words, name, "-o", "json")
    assert json.loads(result.out)["target"] == ""
    assert result.err.startswith("http://127.0.0.1:")


def test_another_name_is_the_platforms(limosa, project, admin):
    begin(limosa)
    remote_run(admin, "calm-heron")
    result = limosa("get", "run", "calm-heron", "-o", "json")
    assert json.loads(result.out)["name"] == "calm-heron"
    assert result.err.startswith("http://127.0.0.1:")


def test_a_name_in_neither_place_says_where_it_was_looked_for(limosa, project, admin):
    from fake_admin import Refuse
    from grpc import StatusCode

    name, _ = begin(limosa)
    admin.script["GetRun"] = [Refuse(StatusCode.NOT_FOUND, "run 'x' does not exist")]
    admin.script["ListRuns"] = [ListRunsResponse(runs=[Run(name="other-owl-aaaa")])]
    for typed, close in ((name[:-1] + "?", name), ("other-owl-aaab", "other-owl-aaaa")):
        result = limosa("get", "run", typed)
        assert result.status == 2
        text = " ".join(result.err.split())
        assert re.search(r"at http://127\.0\.0\.1:\d+ · demo/development, and \.limosa/runs", text)
        assert f"did you mean '{close}'?" in text


def test_without_a_platform_only_local_runs_are_known(limosa, project):
    name, _ = begin(limosa)
    result = limosa("get", "run", name[:-1] + "?")
    assert result.status == 6
    text = " ".join(result.err.split())
    assert f"there is no local run '{name[:-1]}?', and no platform is configured" in text
    assert "at .limosa/runs, which keeps the last 20 runs" in text
    assert f"did you mean '{name}'?" in text
    other = limosa("get", "run", f"{name[:-4]}zzzz")
    assert "did you mean" not in other.err


def test_a_full_list_says_that_older_runs_are_gone(limosa, project, monkeypatch):
    monkeypatch.setattr("limosa.local.KEPT_RUNS", 1)
    begin(limosa)
    assert "older runs than the last 1 of a project are not kept" in limosa("get", "runs", "--local").err


def test_runs_are_found_from_folders_below(limosa, project, monkeypatch):
    name, _ = begin(limosa)
    (project / "deep").mkdir()
    monkeypatch.chdir(project / "deep")
    assert limosa("inputs", name, "total").out.startswith("xs: [1, 4, 9]\n")


def test_a_damaged_record_is_named(limosa, project):
    name, _ = begin(limosa)
    found = next((project / ".limosa").rglob("n1.pb"))
    found.write_bytes(b"\xff\xff")
    result = limosa("outputs", name, "n1")
    assert result.status == 3
    assert "n1.pb" in result.err


@pytest.mark.parametrize("verb", ["watch", "abort", "delete", "replay"])
def test_verbs_of_the_platform_say_that_a_run_is_local(limosa, project, admin, verb):
    from fake_admin import Refuse
    from grpc import StatusCode

    name, _ = begin(limosa)
    refused = Refuse(StatusCode.NOT_FOUND, f"run '{name}' does not exist")
    admin.script.update({"GetRun": [refused], "WatchRun": [[refused]], "DeleteRun": [refused]})
    admin.script["ListRuns"] = [ListRunsResponse()]
    words = [verb, name, *{"delete": ["-y"], "replay": ["n1"]}.get(verb, [])]
    result = limosa(*words)
    assert result.status == 2
    assert f"{name} is a run of this machine, which is over: `limosa get run {name}` shows it" in " ".join(
        result.err.split()
    )


def test_a_local_run_is_explained(limosa, project):
    name, _ = begin(limosa, "--limit", "3", status=1)
    text = limosa("explain", name).out
    assert "ValueError: more than 3" in text
    assert "not run: n1, which it depends on, failed" in limosa("explain", name, "n2").out
    assert "attempt 2: failed" in limosa("explain", name, "n1").out


def test_a_script_reads_how_it_failed(limosa, project):
    result = limosa("run", "-o", "json", "flow.py", "flow", "--limit", "3")
    facts = json.loads(result.out)
    assert (result.status, facts["phase"], facts["failure"]["node"]) == (1, "failed", "n1")
    assert facts["name"] in result.err


@pytest.mark.parametrize(
    ("text", "told"),
    [("copy = [", "limosa.toml"), ('projet = "x"', "did you mean 'project'?")],
    ids=["no TOML", "unknown setting"],
)
def test_a_broken_project_file_stops_a_run_here_too(limosa, project, text, told):
    (project / "limosa.toml").write_text(text)
    result = limosa("run", "flow.py", "flow")
    assert (result.status, told in result.err) == (2, True), result.err
    assert result.out == ""


@pytest.mark.parametrize("broken", ["a file", "a link to nowhere", "its runs are a file"])
def test_where_runs_cannot_be_kept_the_place_is_named(limosa, project, broken):
    kept = project / ".limosa"
    if broken == "a file":
        kept.write_text("")
    elif broken == "a link to nowhere":
        kept.symlink_to(project / "nowhere" / "else")
    else:
        kept.mkdir()
        (kept / "runs").write_text("")
    result = limosa("run", "flow.py", "flow")
    assert result.status == 3
    assert result.err.startswith("Error: runs of this machine are kept there, and nothing can be written: ")
    assert f"at {kept}" in result.err
    assert "make it a folder that you may write to" in result.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_a_result_that_cannot_be_written_is_told(project):
    command = [sys.executable, "-c", "from limosa.cli.main import main; main()", "run", "flow.py", "flow"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=project, check=False
        )
    assert done.returncode == 3, done.stderr
    assert "the result cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


EAGER = """
from limosa import eager, task


@task
def square(x: int) -> int:
    print(f"squaring {x}")
    return x * x


@eager
async def climb(x: int) -> int:
    print("begin")
    x = await square(x=x)
    print("end")
    raise ValueError("no further")


@task
def break_at(x: int) -> int:
    print(f"looking at {x}")
    if x == 4:
        raise KeyError("no 4")
    return x


@eager
async def inner(x: int) -> int:
    return await break_at(x=x)


@eager
async def outer(x: int) -> int:
    return await inner(x=await square(x=x))
"""


def test_the_log_of_an_eager_task_is_what_it_printed_itself(limosa, place):
    (place / "flow.py").write_text(EAGER)
    name, _ = begin(limosa, "--x", "4", entity="climb", status=1)
    assert limosa("logs", name, "n0/e0").out == "squaring 4\n"
    shown = limosa("logs", name, "n0").out
    assert shown == (
        "begin\nend\nTraceback (most recent call last):\n"
        '  File "flow.py", line 16, in climb\n'
        '    raise ValueError("no further")\n'
        "ValueError: no further\n"
    )


def test_where_a_call_failed_the_way_on_is_to_what_was_called(limosa, place):
    (place / "flow.py").write_text(EAGER)
    name, result = begin(limosa, "--x", "2", entity="outer", status=1)
    line = next(number for number, text in enumerate(EAGER.splitlines(), 1) if "await inner(" in text)
    ways = [text.strip() for text in result.err.splitlines() if text.strip().startswith("limosa ")]
    assert ways[:3] == [f"limosa {verb} {name} n0/e1/e0" for verb in ("logs", "inputs", "explain")]
    for told in (result.err, limosa("get", "run", name).out):
        assert "KeyError: 'no 4'\n  in flow.break_at, node n0/e1/e0\n" in told
        assert 'raise KeyError("no 4")' in told
        assert "Inputs of the node\n  x  4\n" in told
        assert "Last log lines\n  looking at 4\n" in told
        assert f"  Passed on by node n0: flow.py:{line}, in outer\n" in told
    assert f"limosa logs {name} n0/e1/e0" in limosa("explain", name).out
