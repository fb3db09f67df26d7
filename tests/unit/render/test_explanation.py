"""What a person is told who asks why."""

import itertools

import pytest
import runs
from runs import NOW, at, node, update

from limosa.render.explanation import explain_node, explain_run
from limosa_idl.admin.v1alpha1.admin_pb2 import RunDetail
from limosa_idl.core.v1alpha1 import failure_pb2 as f
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_FLOAT, LiteralType
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, BindingData, GateNode, OutputRef


def detail(found, **retries):
    """What GetRun answers: n1 depends on n0, n2 on n1."""
    made = RunDetail(run=found.run, closure=found.closure, snapshots=found.snapshots)
    nodes = made.closure.workflows[0].nodes
    for before, after in itertools.pairwise(nodes):
        reference = BindingData(output=OutputRef(node=before.id, output="o0"))
        after.inputs.append(Binding(name="x", data=reference))
    for task in made.closure.tasks:
        task.retry.retries = retries.get(task.name.partition(".")[2], 0)
    return made


def launch(path, ordinal, index=None, **facts):
    key = pb.SnapshotKey(node_path=path, index=index, launch=ordinal)
    return pb.Snapshot(key=key, seq=1, launch=pb.LaunchState(**facts))


def test_a_run_that_waits_for_room():
    text = explain_run(detail(runs.waiting(9)), NOW)
    assert text == (
        "calm-heron-4f2a is running for 12.0 s\n"
        "  1 of 3 nodes ended\n"
        "  n1 try_penalty: running for 11.0 s; the cluster has no node with room for its pod, "
        "and only room, an abort or the operator's pending timeout ends that wait "
        "(0/1 nodes are available: 1 Insufficient nvidia.com/gpu.); 1 of 4 items done, 0 running\n"
        "    → Ask for less (resources=…), or add capacity "
        "(here: limosa demo stop, then limosa demo start --gpus N).\n"
        "  n2 choose: waits for n1"
    )


def test_a_failed_node_is_told_apart_from_those_that_are_done():
    found = update(
        pb.RUN_PHASE_FAILED,
        node("n0", pb.NODE_PHASE_SUCCEEDED, 0, 1, target="house.clean"),
        node(
            "n1",
            pb.NODE_PHASE_FAILED,
            1,
            3,
            target="house.clean",
            failure=f.Failure(code="Odd", message="it broke"),
        ),
    )
    found.run.state.nodes_done, found.run.state.nodes_total = 2, 3
    assert "  2 of 3 nodes ended, 1 of them failed" in explain_run(detail(found), NOW).splitlines()


def test_a_node_between_two_attempts():
    reason = pb.Reason(code="Backoff", since=at(10), next_at=at(30))
    failure = f.Failure(
        kind=f.FAILURE_KIND_USER, code="UserException", message="ValueError: no rows", retryable=True
    )
    found = update(
        pb.RUN_PHASE_RUNNING,
        node(
            "n0",
            pb.NODE_PHASE_RETRYING,
            1,
            kind="task",
            target="house.clean",
            user_failures=1,
            launches=1,
            reason=reason,
        ),
        launch(
            "n0",
            0,
            phase=pb.LAUNCH_PHASE_FAILED,
            pod="calm-heron-4f2a-abc",
            cluster_node="worker-1",
            exit_code=1,
            failure=failure,
            started_at=at(1),
            finished_at=at(10),
        ),
        end=None,
    )
    assert explain_node(detail(found, clean=3), "n0", None, NOW) == (
        "n0 clean (task house.clean)\n"
        "  retrying for 11.0 s; it waits before the next attempt; next at 12:00:30 UTC, in 18.0 s; 1 of 3 retries used\n"
        "  attempt 1: failed after 9.0 s, pod calm-heron-4f2a-abc on worker-1, exit code 1, "
        "UserException: ValueError: no rows"
    )


@pytest.mark.parametrize(
    ("kind", "retryable", "retries", "said"),
    [
        (f.FAILURE_KIND_USER, False, 3, "such a failure is not tried again"),
        (f.FAILURE_KIND_USER, True, 0, "the task has no retries"),
        (f.FAILURE_KIND_USER, True, 2, "all 2 retries are used"),
        (f.FAILURE_KIND_USER, True, 1, "its one retry is used"),
        (f.FAILURE_KIND_SYSTEM, True, 2, "the platform tried 4 times"),
    ],
)
def test_why_there_is_no_further_attempt(kind, retryable, retries, said):
    failure = f.Failure(kind=kind, code="Odd", message="it broke", retryable=retryable)
    found = update(
        pb.RUN_PHASE_FAILED,
        node("n0", pb.NODE_PHASE_FAILED, 0, 3, target="house.clean", launches=4, failure=failure),
    )
    text = explain_node(detail(found, clean=retries), "n0", None, NOW)
    assert text.splitlines()[1] == f"  failed after 3.0 s: Odd: it broke; {said}"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("lines: exit status 3:\nreading\noops\n", "Exited: lines: exit status 3: oops; "),
        ("lines: exit status 3:\n", "Exited: lines: exit status 3; "),
        ("\nlines: oops", "Exited: lines: oops; "),
        ("", "Exited; "),
    ],
)
def test_a_message_of_several_lines_is_told_with_the_words_that_tell(message, told):
    failure = f.Failure(kind=f.FAILURE_KIND_USER, code="Exited", message=message, retryable=True)
    found = update(
        pb.RUN_PHASE_FAILED, node("n0", pb.NODE_PHASE_FAILED, target="house.clean", failure=failure)
    )
    assert f"failed: {told}the task has no retries" in explain_node(detail(found), "n0", None, NOW)


def test_a_run_that_its_launch_plan_holds_back_says_what_to_do():
    found = detail(update(pb.RUN_PHASE_QUEUED, end=None))
    found.run.state.reason.code = "WaitingForLimit"
    found.run.state.reason.detail = "launch plan lp allows 1 run at once; calm-heron-1 is running"
    lines = explain_run(found, NOW).splitlines()
    assert lines[2] == "  → It begins when one of those ends: wait, or end one with limosa abort RUN."
    assert "  n0 clean: waits for the run to begin" in lines


def test_what_a_skipped_and_a_never_started_node_waited_for():
    text = explain_run(detail(runs.USER_ERROR), NOW)
    assert text.startswith(
        "calm-heron-4f2a failed after 8.4 s\n  UserException: ValueError: penalty is -1.0 (node n1, item 2)\n"
    )
    assert text.endswith("\n  limosa resume calm-heron-4f2a house.py    (with the same inputs)")
    assert "Go on\n  limosa logs calm-heron-4f2a n1 --index 2 -p p\n" in explain_run(
        detail(runs.USER_ERROR), NOW, "-p p"
    )
    assert "n2 choose" not in text
    assert explain_node(detail(runs.USER_ERROR), "n2", None, NOW).endswith(
        "not run: n1, which it depends on, failed"
    )
    failed = node("n1", pb.NODE_PHASE_FAILED, 1, 2)
    skipped = update(pb.RUN_PHASE_FAILED, runs.DONE, failed, node("n2", pb.NODE_PHASE_SKIPPED))
    assert explain_node(detail(skipped), "n2", None, NOW).endswith("skipped: n1, which it depends on, failed")
    ended = update(pb.RUN_PHASE_ABORTED, runs.DONE)
    assert explain_node(detail(ended), "n2", None, NOW).endswith("never started: the run ended before")


def test_an_ended_run_says_how_long_it_was_queued():
    waited = detail(runs.USER_ERROR)
    begun = waited.run.state.started_at
    for seconds, told in ((12, "failed after 8.4 s, queued 12.0 s before\n"), (0, "failed after 8.4 s\n")):
        waited.run.created_at.FromSeconds(begun.seconds - seconds)
        waited.run.created_at.nanos = begun.nanos
        assert told in explain_run(waited, NOW)


def test_of_a_map_only_the_items_that_are_worth_a_word():
    item = [
        pb.Snapshot(
            key=pb.SnapshotKey(node_path="n1", index=index),
            seq=1,
            node=pb.NodeState(phase=phase, failure=failure),
        )
        for index, phase, failure in [
            (0, pb.NODE_PHASE_SUCCEEDED, None),
            (1, pb.NODE_PHASE_RUNNING, None),
            (2, pb.NODE_PHASE_FAILED, f.Failure(code="OOMKilled", message="OOMKilled at 1Gi")),
        ]
    ]
    found = update(
        pb.RUN_PHASE_RUNNING,
        runs.DONE,
        node("n1", pb.NODE_PHASE_RUNNING, 1, kind="map", items=3),
        *item,
        end=None,
    )
    lines = explain_node(detail(found), "n1", None, NOW).splitlines()
    assert lines[2:] == ["  item 2: OOMKilled at 1Gi"]


def for_room(*phases, detail="0/1 nodes are available: 1 Insufficient memory."):
    """A map whose items' launches are in these phases; the pending ones wait for room."""
    found = runs.waiting(9)
    found.snapshots[1].node.reason.detail = detail
    for index, phase in enumerate(phases):
        reason = pb.Reason(code="Unschedulable", detail=detail) if phase == pb.LAUNCH_PHASE_PENDING else None
        state = {"phase": phase, "reason": reason}
        item = pb.NodeState(phase=pb.NODE_PHASE_RUNNING)
        found.snapshots.append(pb.Snapshot(key=pb.SnapshotKey(node_path="n1", index=index), seq=1, node=item))
        found.snapshots.append(launch("n1", 0, index, **state))
    return found


def test_a_reason_is_told_once():
    text = explain_node(detail(for_room(pb.LAUNCH_PHASE_PENDING, pb.LAUNCH_PHASE_PENDING)), "n1", None, NOW)
    assert text.count("Insufficient memory") == 1
    assert text.endswith("2 of its items wait for that")
    one = explain_node(detail(for_room(pb.LAUNCH_PHASE_PENDING)), "n1", 0, NOW)
    assert one.count("Insufficient memory") == 1


def test_items_that_wait_for_their_turn_are_no_alarm():
    found = for_room(pb.LAUNCH_PHASE_RUNNING, pb.LAUNCH_PHASE_PENDING)
    assert "Insufficient" not in explain_run(detail(found), NOW)
    assert "some of its items wait for room, which others of it have" in explain_run(detail(found), NOW)


def test_retries_that_helped_are_told():
    done = node("n0", pb.NODE_PHASE_SUCCEEDED, 0, 3, target="house.clean", user_failures=2, launches=3)
    text = explain_node(detail(update(pb.RUN_PHASE_SUCCEEDED, done), clean=3), "n0", None, NOW)
    assert text.splitlines()[1] == "  succeeded after 3.0 s; 2 of 3 retries used"


def test_cached_items_and_their_retries_are_counted():
    state = node("n1", pb.NODE_PHASE_SUCCEEDED, 0, 3, kind="map", items=3, items_succeeded=3)
    items = [
        pb.Snapshot(
            key=pb.SnapshotKey(node_path="n1", index=index),
            seq=1,
            node=pb.NodeState(phase=pb.NODE_PHASE_SUCCEEDED, **more),
        )
        for index, more in enumerate([{"origin": pb.ORIGIN_CACHE}] * 2 + [{"user_failures": 1}])
    ]
    text = explain_node(detail(update(pb.RUN_PHASE_SUCCEEDED, state, *items)), "n1", None, NOW)
    assert text.splitlines()[1] == "  succeeded after 3.0 s; of its 3 items 2 cached; its items used 1 retry"


def _item(index, phase, **more):
    key = pb.SnapshotKey(node_path="n1", index=index)
    return pb.Snapshot(key=key, seq=1, node=pb.NodeState(phase=phase, **more))


def test_an_item_that_failed_at_its_only_attempt_used_no_retry_and_is_told_with_the_run():
    state = node("n1", pb.NODE_PHASE_SUCCEEDED, 0, 3, kind="map", items=2, items_succeeded=1, items_failed=1)
    failure = f.Failure(kind=f.FAILURE_KIND_USER, code="UserException", message="no", retryable=True)
    items = [
        _item(0, pb.NODE_PHASE_SUCCEEDED),
        _item(1, pb.NODE_PHASE_FAILED, user_failures=1, failure=failure),
    ]
    found = detail(update(pb.RUN_PHASE_SUCCEEDED, state, *items))
    assert "retr" not in explain_node(found, "n1", None, NOW).splitlines()[1]
    told = "  n1 try_penalty: succeeded after 3.0 s; 1 of its 2 items failed\n    item 1: UserException: no\n"
    assert told in explain_run(found, NOW)


def test_a_map_that_too_many_items_of_failed_says_how_many_it_needs():
    text = explain_node(detail(runs.RATIO_MISSED), "n1", None, NOW)
    assert text.splitlines()[1] == (
        "  failed after 7.3 s: UserException: ValueError: penalty is -1.0; "
        "min_success_ratio=0.9 needs 4 of 4 items; 1 failed"
    )


@pytest.mark.parametrize(
    ("gate", "code", "typed"),
    [
        (GateNode(approval=GateNode.Approval()), "WaitingForApproval", "limosa approve calm-heron-4f2a n0"),
        (
            GateNode(wait_for_input=GateNode.WaitForInput(type=LiteralType(simple=SIMPLE_TYPE_FLOAT))),
            "WaitingForInput",
            "limosa signal calm-heron-4f2a n0 <float>",
        ),
    ],
)
def test_a_gate_names_the_command_that_lets_the_run_pass(gate, code, typed):
    waits = node("n0", pb.NODE_PHASE_RUNNING, 1, kind="gate", reason=pb.Reason(code=code, since=at(1)))
    made = detail(update(pb.RUN_PHASE_PARKED, waits, end=None))
    made.closure.workflows[0].nodes[0].gate.CopyFrom(gate)
    assert f"\n  → {typed}" in explain_node(made, "n0", None, NOW)
    assert f"\n    → {typed}" in explain_run(made, NOW)


def test_a_node_that_waits_for_a_run_of_its_own_names_the_command_that_explains_that_one():
    child = {"kind": "launch_plan", "child_run": "calm-heron-4f2a-n0-1a2b"}
    reason = pb.Reason(code="ChildRun", since=at(1))
    made = detail(
        update(pb.RUN_PHASE_PARKED, node("n0", pb.NODE_PHASE_RUNNING, 1, reason=reason, **child), end=None)
    )
    waits = "running for 11.0 s; it waits for the run that it launched\n"
    assert f"{waits}  → limosa explain calm-heron-4f2a-n0-1a2b" in explain_node(made, "n0", None, NOW)
    assert f"{waits}    → limosa explain calm-heron-4f2a-n0-1a2b" in explain_run(made, NOW)
    failure = f.Failure(kind=f.FAILURE_KIND_USER, code="ChildFailed", message="it failed")
    ended = detail(
        update(pb.RUN_PHASE_FAILED, node("n0", pb.NODE_PHASE_FAILED, 1, 5, failure=failure, **child))
    )
    assert "\n  → limosa explain calm-heron-4f2a-n0-1a2b" in explain_node(ended, "n0", None, NOW)


def test_an_on_failure_node_waits_for_a_failure():
    running = detail(update(pb.RUN_PHASE_RUNNING, node("n0", pb.NODE_PHASE_RUNNING, 1), end=None))
    ended = detail(update(pb.RUN_PHASE_SUCCEEDED, node("on-failure", pb.NODE_PHASE_SKIPPED)))
    aborted = detail(update(pb.RUN_PHASE_ABORTED, node("on-failure", pb.NODE_PHASE_SKIPPED)))
    for made in (running, ended, aborted):
        made.closure.workflows[0].on_failure.id = "on-failure"
    assert "\n  runs if its workflow fails" in explain_node(running, "on-failure", None, NOW)
    assert "on-failure" not in explain_run(running, NOW)
    assert "\n  skipped: its workflow has not failed" in explain_node(ended, "on-failure", None, NOW)
    assert "\n  skipped: a person ended the run" in explain_node(aborted, "on-failure", None, NOW)


def test_an_aborted_node_says_who_ended_the_run_and_why():
    made = detail(update(pb.RUN_PHASE_ABORTED, node("n0", pb.NODE_PHASE_ABORTED, 1, 5, kind="task")))
    made.run.abort_reason = "enough (by ada)"
    assert "aborted after 4.0 s: enough (by ada)" in explain_node(made, "n0", None, NOW)
