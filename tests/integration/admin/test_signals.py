"""Answers to gates: who may give which, which one counts, and how operators get them."""

import concurrent.futures

import grpc
import pytest

from limosa_admin.identity import Role
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import values

RUN = pb.RunId(project="demo", domain="development", name="calm-heron-1")


def gates(specs) -> wf.Closure:
    """The usual workflow with an approval "g", a gate "v" for an integer, a sleep "s" and a dynamic node "d"."""
    closure = specs.chain()
    maker = closure.tasks.add()
    maker.CopyFrom(specs.task("demo.maker", inputs=()))
    maker.dynamic.loader = "demo:maker"
    closure.workflows[0].nodes.add(id="d", display_name="d").dynamic.task = "demo.maker"
    nodes = closure.workflows[0].nodes
    nodes.add(id="g", display_name="release").gate.approval.SetInParent()
    nodes.add(id="v", display_name="v").gate.wait_for_input.type.simple = SIMPLE_TYPE_INTEGER
    nodes.add(id="s", display_name="s").gate.sleep.duration.seconds = 60
    return closure


@pytest.fixture
def told(stand, specs):
    """A stand with a run that has gates, claimed."""
    stand.register(gates(specs))
    stand.create()
    (stand.desired,) = stand.sync()
    return stand


def signal(stand, path: str, client=None, **what):
    request = pb.SignalRunRequest(id=RUN, signal=run_pb2.Signal(node_path=path, **what))
    return (client or stand.admin).runs.SignalRun(request)


def refusal(stand, path: str, **what) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        signal(stand, path, **what)
    return refused.value.code(), refused.value.details()


def report(stand, *taken: str) -> pb.RunReport:
    desired = stand.desired
    return pb.RunReport(
        run_uid=desired.run_uid,
        epoch=desired.epoch,
        phase=run_pb2.RUN_PHASE_PARKED,
        signals_taken=taken,
    )


def test_an_answer_reaches_the_operator_with_who_gave_it_until_it_is_taken(told) -> None:
    signal(told, "g", approved=True)
    for _ in range(2):
        (run,) = told.sync(runs=[report(told)])
        (sent,) = run.signals
        assert (sent.node_path, sent.approved, sent.by) == ("g", True, "admin@test")
        assert sent.HasField("at")
    (run,) = told.sync(runs=[report(told, "g")])
    assert not run.signals


def test_an_answer_that_another_claim_took_is_sent_to_the_next_one(told) -> None:
    signal(told, "v", value=values.integer(3))
    stale = report(told, "v")
    stale.epoch.number += 5
    (run,) = told.sync(runs=[stale])
    assert [sent.node_path for sent in run.signals] == ["v"]


def test_an_answer_wakes_a_waiting_operator(told) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(told.sync, runs=[report(told)], wait_ms=20_000)
        signal(told, "g", approved=False)
        (run,) = waiting.result(timeout=15)
        assert [sent.approved for sent in run.signals] == [False]


def test_the_first_answer_counts_and_the_same_again_is_no_other(told) -> None:
    assert not signal(told, "g", approved=True).HasField("earlier")
    assert signal(told, "g", approved=True).earlier.by == "admin@test"
    code, message = refusal(told, "g", approved=False)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "node 'g' of run 'calm-heron-1' was approved by admin@test at" in message
    (run,) = told.sync(runs=[report(told)])
    assert [sent.approved for sent in run.signals] == [True]


@pytest.mark.parametrize(
    ("path", "what", "code", "message"),
    [
        ("g", {"value": values.integer(1)}, "INVALID_ARGUMENT", "it waits for an approval"),
        (
            "v",
            {"approved": True},
            "INVALID_ARGUMENT",
            "it waits for a value of type int, not for an approval",
        ),
        ("v", {"value": values.string("x")}, "INVALID_ARGUMENT", "it waits for a value of type int"),
        ("v", {"value": values.string("x" * 70_000)}, "INVALID_ARGUMENT", "at most 65,536 are allowed"),
        ("s", {"approved": True}, "INVALID_ARGUMENT", "it sleeps and takes no answer"),
        ("n0", {"approved": True}, "INVALID_ARGUMENT", "is a task node, not a gate; its gates are g, v, s"),
        ("zz", {"approved": True}, "NOT_FOUND", "its gates are g, v, s"),
        ("g/zz", {"approved": True}, "NOT_FOUND", "node 'g/zz' of run 'calm-heron-1' does not exist"),
    ],
)
def test_an_answer_that_fits_no_gate_is_refused_and_says_why(told, path, what, code, message) -> None:
    found, said = refusal(told, path, **what)
    assert found.name == code
    assert message in said
    (run,) = told.sync(runs=[report(told)])
    assert not run.signals


def test_a_gate_that_is_over_takes_no_answer(told) -> None:
    told.publish(told.desired, ("g", None, None, run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED)))
    code, message = refusal(told, "g", approved=True)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "is over" in message
    (run,) = told.sync(runs=[report(told)])
    assert not run.signals


def test_a_run_that_has_ended_or_is_being_aborted_takes_no_answer(told) -> None:
    told.admin.runs.AbortRun(pb.AbortRunRequest(id=RUN))
    assert "is being aborted" in refusal(told, "g", approved=True)[1]
    told.run_state(told.desired, run_pb2.RUN_PHASE_ABORTED)
    said = refusal(told, "g", approved=True)[1]
    assert "has ended" in said
    assert "`limosa resume calm-heron-1`" in said


def test_a_gate_in_a_graph_that_was_made_in_the_run_is_found_once_that_is_known(told, specs) -> None:
    assert refusal(told, "d/g", approved=True)[0] is grpc.StatusCode.NOT_FOUND
    state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING, graph=gates(specs))
    told.publish(told.desired, ("d", None, None, state))
    signal(told, "d/g", approved=True)
    (run,) = told.sync(runs=[report(told)])
    assert [sent.node_path for sent in run.signals] == ["d/g"]


def test_a_viewer_answers_nothing(told) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        signal(told, "g", client=told.client(told.token(Role.VIEWER)), approved=True)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
