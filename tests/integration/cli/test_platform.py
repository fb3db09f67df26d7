"""The command against the whole platform, as a person uses it."""

import json
import re
import signal
import time

import pytest

FLOW = """
import json
import time
from pathlib import Path

from limosa import Directory, File, map_task, task, workflow


@task
def sleep(seconds: float) -> float:
    print(f"sleeping {seconds}", flush=True)
    time.sleep(seconds)
    return seconds


@task
def shout(source: File, folder: Directory) -> File:
    text = source.open().read().upper()
    names = sorted(path.name for path in Path(folder.path).iterdir())
    out = Path("shouted.txt")
    out.write_text(text + " ".join(names))
    return File(out)


@task(retries=1)
def fragile(x: int) -> int:
    print(f"about to divide by {x}")
    return 10 // x


@task
def square(x: int) -> int:
    return x * x


@workflow
def slow(seconds: float = 30.0) -> float:
    return sleep(seconds=seconds)


@workflow
def divide(x: int) -> int:
    return fragile(x=x)


@workflow
def squares(n: list[int]) -> list[int]:
    return map_task(square)(x=n)
"""


@pytest.fixture(scope="module")
def flow(shell):
    (shell.work / "limosa.toml").write_text("")
    (shell.work / "flow.py").write_text(FLOW)
    return shell


def run_name(err):
    return re.search(r"^run (\S+)", err, re.MULTILINE).group(1)


def test_the_platform_says_where_it_is(shell):
    status = json.loads(shell.limosa("demo", "status", "-o", "json").out)
    assert status["phase"] == "ready"
    assert "admin_token" not in json.dumps(status)
    assert {part["state"] for part in status["parts"].values()} == {"running"}
    again = shell.limosa("demo", "start")
    assert (again.status, "runs already" in again.err) == (0, True)


def test_the_printed_page_opens_once(shell):
    import http.client
    from urllib.parse import urlsplit

    err = shell.limosa("demo", "start").err
    address = urlsplit(re.search(r"http://\S+/login\?token=\S+", err).group(0))
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    connection.request("GET", f"{address.path}?{address.query}")
    answer = connection.getresponse()
    assert (answer.status, "HttpOnly" in answer.headers["Set-Cookie"]) == (303, True)
    connection.close()


def test_logs_of_a_part(shell):
    assert "ready after" in shell.limosa("demo", "logs", "sandbox").out
    wrong = shell.limosa("demo", "logs", "nonsense")
    assert (wrong.status, "logs are: " in wrong.err) == (2, True)


def test_doctor_is_content(shell):
    result = shell.limosa("doctor", "-o", "json")
    findings = {one["subject"]: one for one in json.loads(result.out)}
    assert result.status == 0, result.out
    for subject in ("admin", "identity", "clock", "object store", "conditional writes"):
        assert findings[subject]["state"] == "ok", findings[subject]


def test_a_new_project_runs_at_once(shell):
    assert shell.limosa("init", "fresh").status == 0
    refused = shell.limosa("init", "fresh")
    assert (refused.status, "nothing was written" in refused.err) == (2, True)
    result = shell.limosa("run", "--remote", "-o", "json", "hello.py", "--top", "1", cwd=shell.work / "fresh")
    assert result.status == 0, result.err
    assert json.loads(result.out) == {"o0": {"flies": 4}}
    assert result.err.startswith("demo · http://127.0.0.1:")


def test_nodes_are_found_by_name_and_others_are_refused(flow):
    result = flow.limosa("run", "--remote", "flow.py", "squares", "--n", "[2, 3]")
    assert result.status == 0, result.err
    name = run_name(result.err)
    by_name, by_path = (flow.limosa("outputs", name, node, "-o", "json").out for node in ("square", "n0"))
    assert json.loads(by_name) == json.loads(by_path) == {"o0": [4, 9]}
    assert flow.limosa("inputs", name, "square", "--index", "1", "-o", "json").out
    unknown = flow.limosa("logs", name, "cube")
    assert (unknown.status, "there is no node 'cube'" in unknown.err, "n0 square" in unknown.err) == (
        2,
        True,
        True,
    )
    beyond = flow.limosa("logs", name, "n0", "--index", "2")
    assert (beyond.status, "its items are 0 to 1" in beyond.err) == (2, True)
    shown = flow.limosa("get", "run", name).out
    assert "[4, 9]" in shown


def test_files_go_up_and_come_down(flow):
    (flow.work / "in.txt").write_text("hello ")
    (flow.work / "texts").mkdir()
    (flow.work / "texts" / "a.txt").write_text("x")
    result = flow.limosa("run", "--remote", "flow.py", "shout", "--source", "in.txt", "--folder", "texts")
    assert result.status == 0, result.err
    assert result.out.startswith("s3://")
    name = run_name(result.err)
    fetched = flow.limosa("download", name, "got")
    assert fetched.status == 0, fetched.err
    assert (flow.work / "got" / "o0" / "shouted.txt").read_text() == "HELLO a.txt"
    inputs = json.loads(flow.limosa("inputs", name, "-o", "json").out)
    assert inputs["source"]["kind"] == "file"
    assert inputs["folder"]["kind"] == "directory"


def test_a_failure_is_one_screen_with_ways_on_that_work(flow):
    result = flow.limosa("run", "--remote", "flow.py", "divide", "--x", "0")
    assert (result.status, result.out) == (1, "")
    screen = result.err[result.err.index("✗") :]
    for part in ("ZeroDivisionError", "│     return 10 // x", "attempt 2", "about to divide by 0"):
        assert part in screen
    lines = [line.strip() for line in screen.splitlines() if line.strip().startswith("limosa ")]
    ways = [line.partition("   ")[0] for line in lines]  # a remark may follow
    assert ways
    for way in ways:
        # What runs the task again meets the same fault again.
        again = way.split()[1] in ("resume", "replay")
        assert flow.limosa(*way.split()[1:]).status == (1 if again else 0), way
    first = flow.limosa("logs", run_name(result.err), "n0", "--attempt", "1")
    assert "about to divide by 0" in first.out


def test_lists_and_single_runs(flow):
    turn = ("--priority", "4", "--max-parallelism", "2")
    started = flow.limosa("run", "--remote", "--detach", *turn, "flow.py", "squares", "--n", "[1, 2, 3]")
    name = started.out.strip()
    assert flow.limosa("watch", name, "-o", "json").out == '{\n  "o0": [\n    1,\n    4,\n    9\n  ]\n}\n'
    runs = json.loads(flow.limosa("get", "runs", "--phase", "succeeded", "-o", "json").out)
    assert name in [run["name"] for run in runs]
    shown = json.loads(flow.limosa("get", "run", name, "-o", "json").out)
    assert (shown["phase"], shown["node_states"][0]["items_succeeded"]) == ("succeeded", 3)
    assert (shown["priority"], shown["max_parallelism"]) == (4, 2)
    assert flow.limosa("outputs", name, "n0", "--index", "2").out == "9\n"
    assert "flow.squares" in flow.limosa("get", "workflows").out
    assert flow.limosa("delete", "--yes", name).status == 0
    assert flow.limosa("get", "run", name).status == 2


def test_register_then_launch(flow):
    first = flow.limosa("register", "flow.py", "--version", "v1", "-o", "json")
    assert first.status == 0, first.err
    assert {one["name"] for one in json.loads(first.out)} >= {"flow.divide", "flow.square"}
    again = flow.limosa("register", "flow.py", "--version", "v1", "-o", "json")
    assert {one["state"] for one in json.loads(again.out)} == {"unchanged"}
    assert flow.limosa("launch", "--version", "v1", "flow.divide", "--x", "5").out == "2\n"
    assert flow.limosa("launch", "divide", "--x", "5").out == "2\n"
    unknown = flow.limosa("launch", "devide")
    assert (unknown.status, "did you mean 'flow.divide'?" in unknown.err) == (2, True)
    (flow.work / "flow.py").write_text(FLOW.replace("10 // x", "11 // x"))
    changed = flow.limosa("register", "flow.py", "--version", "v1")
    (flow.work / "flow.py").write_text(FLOW)
    assert changed.status == 2
    assert "v1" in changed.err


def test_a_failed_node_is_explained_and_replayed(flow):
    result = flow.limosa("run", "--remote", "flow.py", "divide", "--x", "0")
    name = run_name(result.err)
    assert result.status == 1
    said = flow.limosa("explain", name, "fragile")
    assert "its one retry is used" in said.out
    assert "attempt 2: failed" in said.out
    elsewhere = flow.work / "elsewhere"
    elsewhere.mkdir()
    again = flow.limosa("replay", name, "n0", cwd=elsewhere)
    assert again.status == 1
    assert "about to divide by 0" in again.out
    assert 'File "flow.py"' in again.err
    assert "ZeroDivisionError" in again.err
    debugged = flow.limosa("replay", name, "n0", "--pdb", cwd=elsewhere, stdin="p x + 41\nc\np x + 42\nq\n")
    assert "41" in debugged.out
    assert "42" in debugged.out


def test_an_item_of_a_map_is_replayed(flow):
    name = flow.limosa("run", "--remote", "--detach", "flow.py", "squares", "--n", "[2, 3]").out.strip()
    assert flow.limosa("watch", name).status == 0
    assert flow.limosa("replay", name, "n0", "--index", "1").out == "9\n"
    whole = flow.limosa("replay", name, "n0")
    assert (whole.status, "say which item with --index N" in whole.err) == (2, True)


def test_a_wait_that_ends_leaves_the_run_going(flow):
    result = flow.limosa("run", "--remote", "--timeout", "2", "flow.py", "slow")
    assert result.status == 5
    name = run_name(result.err)
    assert f"limosa watch {name}" in result.err
    aborted = flow.limosa("abort", name, "-m", "no longer needed")
    assert aborted.status == 0
    seen = flow.limosa("watch", name)
    assert (seen.status, "no longer needed" in seen.err) == (4, True)


def test_ctrl_c_detaches(flow):
    process = flow.begin("run", "--remote", "flow.py", "slow")
    seen = ""
    while "n0 sleep running" not in seen:
        seen += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=20)[1]
    name = run_name(seen)
    assert process.returncode == 130
    assert f"detached; {name} goes on" in rest
    assert f"limosa abort {name}" in rest
    assert json.loads(flow.limosa("get", "run", name, "-o", "json").out)["phase"] == "running"
    assert flow.limosa("abort", name).status == 0


def test_logs_are_followed(flow):
    name = flow.limosa("run", "--remote", "--detach", "flow.py", "slow", "--seconds", "3").out.strip()
    followed = flow.limosa("logs", name, "-f")
    assert followed.out == "n0 │ sleeping 3.0\n"
    assert json.loads(flow.limosa("get", "run", name, "-o", "json").out)["phase"] in ("running", "succeeded")


def test_a_stale_and_a_missing_token(flow):
    stale = flow.limosa("get", "runs", env={"LIMOSA_TOKEN": "wrong"})
    assert (stale.status, "does not accept the token" in stale.err) == (6, True)
    endpoint = json.loads(flow.limosa("config", "show", "-o", "json").out)["endpoint"]["value"]
    missing = flow.limosa("get", "runs", env={"LIMOSA_CONFIG": "/nowhere", "LIMOSA_ENDPOINT": endpoint})
    assert (missing.status, "none is set" in missing.err) == (6, True)


def test_unknown_runs_and_nodes(flow):
    for arguments in (["watch", "no-such-run"], ["logs", "no-such-run"], ["abort", "no-such-run"]):
        result = flow.limosa(*arguments)
        assert (result.status, "no-such-run" in result.err) == (2, True), result.err


def test_stop_keeps_everything_and_a_stopped_platform_is_named(flow):
    before = flow.limosa("get", "runs", "-o", "json").out
    assert flow.limosa("demo", "stop").status == 0
    assert flow.limosa("demo", "status").status == 3
    down = flow.limosa("get", "runs")
    assert (down.status, "limosa demo start" in down.err) == (6, True)
    began = time.monotonic()
    assert flow.limosa("demo", "start").status == 0
    assert time.monotonic() - began < 60
    after = flow.limosa("get", "runs", "-o", "json").out
    assert [run["name"] for run in json.loads(after)] == [run["name"] for run in json.loads(before)]
