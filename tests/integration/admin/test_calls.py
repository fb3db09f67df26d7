"""Calls of eager nodes: who may make them, how the operator hears of them, and when they have ended."""

import concurrent.futures

import grpc
import pytest

from limosa_admin.store import claims
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1.admin_pb2_grpc import EagerServiceStub
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.attempt_tokens import AttemptClaims, make_token
from limosa_model.names import format_epoch

ENDED = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED)
RUNNING = run_pb2.LaunchState(phase=run_pb2.LAUNCH_PHASE_RUNNING)
FAILED = run_pb2.LaunchState(phase=run_pb2.LAUNCH_PHASE_FAILED)


@pytest.fixture
def claimed(stand):
    """A stand with a claimed run; which of its nodes are eager is the operator's to know."""
    stand.register()
    stand.create()
    (stand.desired,) = stand.sync()
    return stand


def token(stand, desired=None, launch: int = 0, **other: str) -> str:
    desired = desired or stand.desired
    of = AttemptClaims(desired.run_uid, "n0", format_epoch(desired.epoch), launch)
    return make_token(desired.call_key, of._replace(**other))


def sync_calls(stand, *opened: str, by: str | None = None) -> list[str]:
    metadata = [("authorization", f"Bearer {by or token(stand)}")]
    stub = EagerServiceStub(stand.channel())
    return list(stub.SyncCalls(pb.SyncCallsRequest(open=opened), metadata=metadata, timeout=20).ended)


def refusal(stand, by: str, *opened: str) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        sync_calls(stand, *(opened or ("e0",)), by=by)
    return refused.value.code(), refused.value.details()


def report(stand, **more) -> pb.RunReport:
    desired = stand.desired
    return pb.RunReport(run_uid=desired.run_uid, epoch=desired.epoch, phase=run_pb2.RUN_PHASE_RUNNING, **more)


def told(stand, **more) -> list[str]:
    answer = stand.sync(runs=[report(stand, **more)])
    return next(list(one.calls) for one in answer if one.run_uid == stand.desired.run_uid)


def test_the_operator_hears_of_calls_until_its_state_shows_them(claimed) -> None:
    assert sync_calls(claimed, "e0", "e1") == []
    assert told(claimed) == told(claimed) == ["n0/e0", "n0/e1"]
    assert told(claimed, calls_taken=["n0/e0"]) == ["n0/e1"]
    sync_calls(claimed, "e0", "e1")
    assert told(claimed, calls_taken=["n0/e0", "n0/e1"]) == []


def test_an_operator_that_begins_anew_hears_of_all_that_have_not_ended(claimed) -> None:
    sync_calls(claimed, "e0", "e1")
    claimed.publish(claimed.desired, ("n0/e0", None, None, ENDED))
    (desired,) = claimed.sync()
    assert list(desired.calls) == ["n0/e1"]
    assert desired.call_key == claimed.desired.call_key


def test_calls_whose_node_has_ended_are_told_to_the_attempt(claimed) -> None:
    sync_calls(claimed, "e0", "e1", "e2")
    claimed.publish(claimed.desired, ("n0/e1", None, None, ENDED), ("n0/e2", None, None, run_pb2.NodeState()))
    assert sync_calls(claimed, "e0", "e1", "e2") == ["e1"]
    assert told(claimed) == ["n0/e0", "n0/e2"]


def test_a_waiting_operator_is_woken(claimed) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(claimed.sync, runs=[report(claimed)], wait_ms=20_000)
        sync_calls(claimed, "e0")
        (desired,) = waiting.result(timeout=10)
    assert list(desired.calls) == ["n0/e0"]


def test_the_key_comes_with_the_claim_and_when_it_is_asked_for(claimed) -> None:
    assert claimed.desired.call_key
    (again,) = claimed.sync(runs=[report(claimed)])
    assert not again.call_key
    (asked,) = claimed.sync(runs=[report(claimed, wants_call_key=True)])
    assert asked.call_key == claimed.desired.call_key


def test_tokens_that_the_operator_did_not_make_are_refused(claimed) -> None:
    made = token(claimed)
    forged = make_token(b"some other key", AttemptClaims(claimed.desired.run_uid, "n0", "1.1", 0))
    for wrong in (
        forged,
        made[:-1] + ("0" if made[-1] != "0" else "1"),
        "limosa-attempt.x",
        "limosa-attempt.e30=.y",
    ):
        assert refusal(claimed, wrong)[0] is grpc.StatusCode.UNAUTHENTICATED, wrong


def test_a_token_is_good_for_the_node_and_run_that_it_names_and_nothing_else(claimed) -> None:
    claimed.create("calm-heron-2")
    (other,) = [one for one in claimed.sync() if one.run_uid != claimed.desired.run_uid]
    sync_calls(claimed, "e0", by=token(claimed, other))
    assert told(claimed) == []
    # The key of one run makes no tokens of another.
    mixed = make_token(other.call_key, AttemptClaims(claimed.desired.run_uid, "n0", "1.1", 0))
    assert refusal(claimed, mixed)[0] is grpc.StatusCode.UNAUTHENTICATED
    metadata = [("authorization", f"Bearer {token(claimed)}")]
    call = claimed.channel().unary_unary("/limosa_idl.admin.v1alpha1.RunService/GetRun")
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", metadata=metadata, timeout=20)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_an_attempt_that_has_ended_makes_no_calls(claimed) -> None:
    claimed.publish(claimed.desired, ("n0", None, 0, RUNNING))
    assert sync_calls(claimed, "e0") == []
    claimed.publish(claimed.desired, ("n0", None, 0, FAILED), seq=2)
    code, message = refusal(claimed, token(claimed))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "attempt 1 of node 'n0': it has ended" in message


def test_an_attempt_that_another_one_followed_makes_no_calls(claimed) -> None:
    claimed.publish(claimed.desired, ("n0", None, 1, RUNNING))
    assert "another attempt came after it" in refusal(claimed, token(claimed))[1]
    assert sync_calls(claimed, "e0", by=token(claimed, launch=1)) == []


def test_an_attempt_of_a_lost_cluster_makes_no_calls(claimed) -> None:
    sync_calls(claimed, "e0")
    claimed.publish(claimed.desired, ("n0/e0", None, None, ENDED))
    before = token(claimed)
    with claimed.database.transaction() as connection:
        claims.lose(connection, ["c1"])
    (desired,) = claimed.sync("c2")
    code, message = refusal(claimed, before)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "claimed anew" in message
    # What the lost cluster said of a call's end is not this one's word.
    assert sync_calls(claimed, "e0", by=token(claimed, desired)) == []


def test_a_run_that_is_being_aborted_takes_no_calls(claimed) -> None:
    claimed.admin.runs.AbortRun(
        pb.AbortRunRequest(id=pb.RunId(project="demo", domain="development", name="calm-heron-1"))
    )
    assert "being ended" in refusal(claimed, token(claimed))[1]


def test_ids_that_no_call_can_have_are_refused(claimed) -> None:
    assert refusal(claimed, token(claimed), "../n1")[0] is grpc.StatusCode.INVALID_ARGUMENT
    many = [f"e{number}" for number in range(501)]
    assert "at most 500" in refusal(claimed, token(claimed), *many)[1]
