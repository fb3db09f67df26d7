"""What the API server answers to an operator's writes, injected at the verbs of one run's driver."""

import asyncio
import copy
from collections.abc import Callable

import pytest
from driver_stage import FakeCluster, Stage, settle

from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER
from limosa_idl.run.v1alpha1.run_pb2 import NodeState
from limosa_propeller.kube.errors import ApiError

NEVER_FITS = (
    'pods "n0" is forbidden: exceeded quota: compute, requested: requests.cpu=8, '
    "used: requests.cpu=0, limited: requests.cpu=4"
)
USED_UP = NEVER_FITS.replace("requests.cpu=8", "requests.cpu=2").replace(
    "used: requests.cpu=0", "used: requests.cpu=3"
)


def node(stage: Stage) -> NodeState:
    """n0 as it was published last."""
    return [shot.node for shot in stage.snapshots if shot.WhichOneof("state") == "node"][-1]


async def until(happened: Callable[[], object]) -> None:
    for _ in range(2000):
        if happened():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("did not happen")


async def test_a_quota_that_is_used_up_is_waited_for_and_costs_nothing(stage: Stage) -> None:
    stage.cluster.create_error = ApiError(403, "Forbidden", USED_UP, 60.0)
    await stage.start()
    state = node(stage)
    assert (state.reason.code, state.reason.detail) == ("Quota", USED_UP)
    assert (state.launches, state.user_failures, state.system_failures) == (0, 0, 0)
    assert state.reason.next_at.seconds - state.reason.since.seconds in (59, 60, 61)
    assert stage.cluster.writes.count("create 0") == 1


async def test_a_quota_that_one_pod_can_never_fit_fails_the_run_with_the_figures(stage: Stage) -> None:
    stage.cluster.create_error = ApiError(403, "Forbidden", NEVER_FITS)
    await stage.start()
    await settle()
    failure = stage.snapshots[-1].run.failure
    assert (failure.kind, failure.code) == (FAILURE_KIND_USER, "Quota")
    assert "requested: requests.cpu=8" in failure.message
    assert stage.cluster.writes.count("create 0") == 1


async def test_a_permission_that_is_missing_is_named(stage: Stage) -> None:
    message = (
        'pods is forbidden: User "system:serviceaccount:limosa:propeller" cannot create resource "pods" '
        'in API group "" in the namespace "demo-development"'
    )
    stage.cluster.create_error = ApiError(403, "Forbidden", message)
    await stage.start()
    await settle()
    failure = stage.snapshots[-1].run.failure
    assert (failure.kind, failure.code) == (FAILURE_KIND_SYSTEM, "PodForbidden")
    assert message in failure.message


@pytest.mark.parametrize("status", [400, 422])
async def test_a_pod_that_the_server_calls_invalid_fails_at_once(stage: Stage, status: int) -> None:
    stage.cluster.create_error = ApiError(status, "Invalid", "spec.containers[0].image: Required value")
    await stage.start()
    await settle()
    failure = stage.snapshots[-1].run.failure
    assert (failure.kind, failure.code) == (FAILURE_KIND_USER, "PodInvalid")
    assert "Required value" in failure.message
    assert stage.cluster.writes.count("create 0") == 1


async def test_too_many_requests_waits_as_long_as_the_server_says(stage: Stage) -> None:
    stage.cluster.create_error = ApiError(429, "TooManyRequests", "slow down", 3600.0)
    await stage.start()
    reason = node(stage).reason
    assert (reason.code, reason.detail) == ("KubernetesApi", "slow down")
    assert reason.next_at.seconds - reason.since.seconds in (3599, 3600, 3601)
    assert stage.cluster.writes.count("create 0") == 1


@pytest.mark.parametrize("status", [0, 500, 502, 503, 504])
async def test_a_server_in_trouble_is_asked_again_and_nothing_is_counted(stage: Stage, status: int) -> None:
    stage.cluster.create_error = ApiError(status, "", "in trouble")
    await stage.start()
    stage.cluster.create_error = None
    await until(lambda: stage.cluster.pods)
    await settle()
    await stage.end_pod()
    state = node(stage)
    assert (state.launches, state.system_failures, state.user_failures) == (1, 0, 0)
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"


async def test_a_pod_whose_creation_was_not_answered_is_adopted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, lost = FakeCluster.create, []

    async def answer_is_lost(self: FakeCluster, resource: object, namespace: str, body: dict) -> dict:
        made = await create(self, resource, namespace, body)
        if body["kind"] == "Pod" and not lost:
            lost.append(made)
            raise ApiError(0, "Unreachable", "connection reset by peer")
        return made

    monkeypatch.setattr(FakeCluster, "create", answer_is_lost)
    await stage.start()
    await until(lambda: stage.cluster.writes.count("create 0") == 2)
    await settle()
    assert len(stage.cluster.pods) == 1
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert node(stage).launches == 1


async def test_a_status_that_meets_a_conflict_is_written_again(stage: Stage) -> None:
    stage.cluster.status_error = ApiError(409, "Conflict", "the object has been modified")
    await stage.start()
    assert stage.cluster.status is None
    stage.cluster.status_error = None
    await until(lambda: stage.cluster.status is not None)
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert stage.gone == []


async def test_what_a_slow_cache_still_shows_changes_nothing(stage: Stage) -> None:
    before = copy.deepcopy(stage.manifest)
    await stage.start()
    (pod,) = copy.deepcopy(list(stage.cluster.pods.values()))
    stage.pods.observe(pod)
    await stage.end_pod()
    writes = list(stage.cluster.writes)
    assert stage.driver.over
    # The watch is behind: it tells of the object before our status, and of the pod before its end.
    stage.driver.observe_object(before)
    assert stage.pods.observe(pod) is None
    await settle()
    assert [write for write in stage.cluster.writes[len(writes) :] if write != "delete"] == []
    assert stage.driver.over
