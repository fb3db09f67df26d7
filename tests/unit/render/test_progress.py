"""Lines of a run that nobody watches on a terminal."""

import datetime as dt
import io
import threading

import pytest
import runs
from rich.console import Console

from limosa.render import progress
from limosa.render.run_view import Row, RunView
from limosa.render.tree import tree
from limosa_idl.core.v1alpha1 import failure_pb2 as f
from limosa_idl.run.v1alpha1 import run_pb2 as pb


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200, color_system=None, highlight=False)


def test_a_node_that_waits_in_silence_says_why_and_what_to_do(console, monkeypatch):
    clock = [runs.NOW - dt.timedelta(seconds=4)]
    told = threading.Event()
    monkeypatch.setattr(progress, "TICK_S", 0.01)
    monkeypatch.setattr(progress, "now_utc", lambda: clock[0])
    printed = console.print
    monkeypatch.setattr(
        console, "print", lambda text, **how: (printed(text, **how), "→" in text and told.set())
    )

    def updates():
        yield runs.waiting(7)
        clock[0] = runs.NOW
        assert told.wait(30)

    progress.follow(updates(), RunView(), console)
    lines = console.file.getvalue().splitlines()
    reason = next(i for i, line in enumerate(lines) if "Insufficient nvidia.com/gpu" in line and i > 2)
    assert lines[reason + 1].startswith("    → Ask for less (resources=…), or add capacity")
    assert len([line for line in lines if "→" in line]) == 1


@pytest.mark.parametrize("code", ["Unschedulable", "SecretMissing", "ImagePull"])
def test_the_tree_says_what_to_do_after_five_seconds(console, code):
    for seconds, shown in ((3, False), (7, True)):
        update = runs.waiting(seconds)
        update.snapshots[1].node.reason.code = code
        view = RunView()
        view.apply(update)
        console.file = io.StringIO()
        console.print(tree(view, runs.NOW, final=False))
        assert ("→" in console.file.getvalue()) == shown


def test_lines_say_once_why_no_cluster_takes_the_run(console, monkeypatch):
    monkeypatch.setattr(progress, "now_utc", lambda: runs.NOW)
    later = runs.queued(9)
    later.run.state.reason.detail = "no cluster has asked for work since 11:58:40 UTC (last: embedded)"
    progress.follow(iter([runs.queued(3), runs.queued(7), later, runs.waiting(0)]), RunView(), console)
    lines = console.file.getvalue().splitlines()
    assert lines[:4] == [
        "calm-heron-4f2a queued",
        "  queued: no cluster has asked for work since 11:58:20 UTC (last: embedded)",
        "    → Work begins when an operator asks for it: limosa doctor, or on this machine limosa demo status.",
        "calm-heron-4f2a running",
    ]


def test_a_map_says_how_far_it_is_each_tenth_and_not_often(console, monkeypatch):
    clock = [runs.NOW]
    monkeypatch.setattr(progress, "now_utc", lambda: clock[0])

    def updates():
        for second in range(50):
            clock[0] = runs.NOW + dt.timedelta(seconds=second)
            state = runs.node("n1", pb.NODE_PHASE_RUNNING, 1, items=50, items_succeeded=second)
            state.seq = second + 1
            yield runs.update(pb.RUN_PHASE_RUNNING, runs.DONE, state, end=None)

    progress.follow(updates(), RunView(), console)
    lines = [line for line in console.file.getvalue().splitlines() if " n1 " in line]
    told = [0, *range(5, 50, 5)]
    assert lines == [f"  n1 try_penalty running ({done}/50 items)" for done in told]


def test_a_run_that_waits_for_something_outside_is_parked(console):
    progress.follow(iter([runs.update(pb.RUN_PHASE_PARKED, end=None)]), RunView(), console)
    assert console.file.getvalue().splitlines()[0] == "calm-heron-4f2a parked"


def test_a_wait_of_a_moment_is_not_told(console, monkeypatch):
    monkeypatch.setattr(progress, "now_utc", lambda: runs.NOW)
    later = runs.waiting(7)
    later.snapshots[1].seq = 2
    progress.follow(iter([runs.waiting(1), later]), RunView(), console)
    told = [line for line in console.file.getvalue().splitlines() if "try_penalty" in line]
    assert told[0] == "  n1 try_penalty running (1/4 items)"
    assert told[1].startswith("  n1 try_penalty running (1/4 items, Unschedulable: 0/1 nodes")
    assert len(told) == 2


def test_an_attempt_that_failed_and_is_tried_again_gets_a_line(console, monkeypatch):
    monkeypatch.setattr(progress, "now_utc", lambda: runs.NOW)
    failure = f.Failure(code="UserException", message="ValueError: no rows\nmore")
    broke = runs.launch("n0", 0, pb.LAUNCH_PHASE_FAILED, 1, 2, failure=failure)
    early = runs.update(
        pb.RUN_PHASE_RUNNING, runs.node("n0", pb.NODE_PHASE_RUNNING, 1, launches=1), broke, end=None
    )
    reason = pb.Reason(code="Backoff", next_at=runs.at(30))
    retrying = runs.node("n0", pb.NODE_PHASE_RETRYING, 1, launches=1, reason=reason)
    done = runs.node("n0", pb.NODE_PHASE_SUCCEEDED, 1, 9, launches=2)
    retrying.seq, done.seq = 2, 3
    follow_up = [runs.update(pb.RUN_PHASE_RUNNING, one, end=None) for one in (retrying, done)]
    progress.follow(iter([early, *follow_up]), RunView(), console)
    told = [line for line in console.file.getvalue().splitlines() if "attempt 1 failed" in line]
    assert told == ["  n0 clean attempt 1 failed: ValueError: no rows; again at 12:00:30 UTC"]


def test_the_attempt_that_was_the_last_is_told_with_its_node(console):
    progress.follow(iter([runs.with_attempts()]), RunView(), console)
    told = [line for line in console.file.getvalue().splitlines() if "attempt" in line]
    assert told == [
        "  n1[2] try_penalty attempt 1 failed: ValueError: penalty is -1.0; another attempt follows"
    ]


def test_the_end_of_the_run_is_the_last_line(console):
    progress.follow(iter([runs.with_attempts()]), RunView(), console)
    lines = console.file.getvalue().splitlines()
    assert lines[-1] == "calm-heron-4f2a failed"


def test_what_ended_is_told_after_what_lies_below_it():
    def row(depth, path, phase):
        return Row(depth, path, path, phase, None, "")

    done, running = pb.NODE_PHASE_SUCCEEDED, pb.NODE_PHASE_RUNNING
    rows = [
        row(0, "a", done),
        row(1, "a/b", done),
        row(2, "a/b/c", pb.NODE_PHASE_FAILED),
        row(1, "a/d", done),
        row(0, "e", running),
        row(1, "e/f", done),
    ]
    assert [one.path for one in progress._in_turn(rows)] == ["a/b/c", "a/b", "a/d", "a", "e", "e/f"]
