"""kill -9 of the operator while a node of each kind is in each of its phases: same outputs, and nothing is left."""

import random
import time
from collections.abc import Callable

import pytest
from every_kind import KINDS, answer, register, start, write_every_kind
from platform_rig import runs
from platform_rig.sandbox import DOMAIN, PODS, PROJECT, RUNS, Sandbox
from platform_rig.waiting import wait_for
from referee import COMMITTED, Referee, judge

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.layout import run_prefix

ENDS = {
    run_pb2.NODE_PHASE_SUCCEEDED,
    run_pb2.NODE_PHASE_FAILED,
    run_pb2.NODE_PHASE_SKIPPED,
    run_pb2.NODE_PHASE_ABORTED,
}
SEED, KILLS, KILLS_PER_LOOK = 1, 3, 0.1
Met = tuple[str, str]
"""Kind of a node, or the reason of a gate; and phase."""


def under_way(detail: pb.RunDetail) -> list[tuple[str, run_pb2.NodeState]]:
    """Nodes that have begun and have not ended, by path."""
    shots = [one for one in detail.snapshots if one.WhichOneof("state") == "node"]
    return [(one.key.node_path, one.node) for one in shots if one.node.phase not in ENDS]


def met(state: run_pb2.NodeState) -> Met:
    kind = state.reason.code if state.kind == "gate" and state.reason.code else state.kind
    return kind, run_pb2.NodePhase.Name(state.phase).removeprefix("NODE_PHASE_")


def drive(sandbox: Sandbox, name: str, kill: Callable[[set[Met]], bool]) -> list[Met]:
    """Follows a run to its end, its gates answered; what was met for the first time at each kill of the operator.

    Args:
        sandbox: Where it runs.
        name: The run's.
        kill: Whether to kill now, by what is met for the first time.
    """
    seen: set[Met] = set()
    killed: list[Met] = []
    while True:
        with sandbox.client() as client:
            detail = client.get_run(name)
        if runs.phase_name(detail.run.state.phase) in ("SUCCEEDED", "FAILED", "ABORTED"):
            return killed
        now = under_way(detail)
        new = {met(state) for _, state in now} - seen
        if kill(new):
            # One kill for all that is new at this moment; an operator that only comes up would show nothing else.
            sandbox.kill_part("operator")
            killed += sorted(new)
            seen |= new
            sandbox.await_parts()
        for path, state in now:
            answer(sandbox, name, path, state.reason.code)
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed_outputs(
    hurt: Sandbox, referee: Referee, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, object]:
    register(hurt, write_every_kind(tmp_path_factory.mktemp("every") / "flow", referee.address))
    start(hurt, "every", "every-calm", x=1)
    drive(hurt, "every-calm", lambda new: False)
    return runs.outputs(hurt, "every-calm")


def assert_whole(sandbox: Sandbox, referee: Referee, name: str, uid: str) -> None:
    """The referee agrees, and nothing of the run is left in the cluster, or on its way to admin."""
    assert judge(referee.events(uid)) == []
    with sandbox.client() as client:
        detail = client.get_run(name)
    wait_for(lambda: not sandbox.objects(PODS) and not sandbox.objects(RUNS), sandbox.told)
    assert under_way(detail) == []
    prefix = f"{run_prefix(PROJECT, DOMAIN, name, uid)}/commits/"
    committed = [info.key for info in sandbox.store().list(prefix)]
    assert len(committed) >= len({e.item for e in referee.events(uid) if e.what == COMMITTED})


def test_every_kind_of_node_outlives_kills_of_the_operator_in_each_of_its_phases(
    hurt: Sandbox, referee: Referee, undisturbed_outputs: dict[str, object]
) -> None:
    uid = start(hurt, "every", "every-hit", x=1)
    killed = drive(hurt, "every-hit", bool)
    assert_same(hurt, referee, "every-hit", uid, undisturbed_outputs, killed)
    assert {kind for kind, _ in killed} >= (KINDS - {"gate"}) | {"WaitingForApproval", "WaitingForInput"}


def test_every_kind_of_node_outlives_kills_of_the_operator_at_random(
    hurt: Sandbox, referee: Referee, undisturbed_outputs: dict[str, object]
) -> None:
    """Beside it a run fails, and what runs on failure is hit as well."""
    uid = start(hurt, "every", "every-chance", x=1)
    doomed = start(hurt, "doomed", "doomed", x=1)
    chance = random.Random(SEED)
    kills = iter(range(KILLS))
    killed = drive(
        hurt, "every-chance", lambda _: chance.random() < KILLS_PER_LOOK and next(kills, None) is not None
    )
    assert_same(hurt, referee, "every-chance", uid, undisturbed_outputs, killed)
    with hurt.client() as client:
        ended = runs.await_end(client, "doomed")
    assert (ended.phase, ended.failure.code) == ("FAILED", "UserException")
    tidied = [event.what for event in referee.events(doomed) if event.node_path == "on-failure"]
    assert tidied.count(COMMITTED) == 1
    assert_whole(hurt, referee, "doomed", doomed)


def assert_same(
    sandbox: Sandbox,
    referee: Referee,
    name: str,
    uid: str,
    undisturbed_outputs: dict[str, object],
    killed: list[Met],
) -> None:
    """The outputs are those of the run that was left in peace, and nothing is left."""
    with sandbox.client() as client:
        ended = runs.await_end(client, name)
    assert ended.phase == "SUCCEEDED", (killed, ended.failure)
    assert runs.outputs(sandbox, name) == undisturbed_outputs, killed
    assert_whole(sandbox, referee, name, uid)
