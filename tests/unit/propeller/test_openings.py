"""Hundreds of runs that are opened at once, as after a restart, leave turns to everything else."""

import asyncio
from pathlib import Path

import pytest
from driver_stage import Stage, chain

from limosa_idl.task.v1alpha1.task_pb2 import SecretRef, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_propeller.runs.opening import OpenedRun, RefusedError, open_run
from limosa_propeller.runs.services import OPENINGS_AT_A_TIME


async def test_others_have_their_turn_between_openings(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    opened: list[OpenedRun] = []
    in_a_row: list[int] = []

    async def one() -> None:
        opened.append(await open_run(stage.manifest, stage.services, stage.services.clock.since(0.0)))

    count = 4 * OPENINGS_AT_A_TIME
    openings = asyncio.gather(*(one() for _ in range(count)))
    while not openings.done():
        before = len(opened)
        await asyncio.sleep(0)
        in_a_row.append(len(opened) - before)
    assert sum(in_a_row) == count
    assert max(in_a_row) <= OPENINGS_AT_A_TIME


def last_asks(**fields: object) -> Closure:
    """A chain of two whose second task shapes its pod itself."""
    closure = chain(2)
    closure.tasks.add().CopyFrom(closure.tasks[0])
    closure.tasks[1].MergeFrom(TaskSpec(**fields))
    closure.tasks[1].name = "f.last"
    node = closure.workflows[0].nodes[1]
    node.task.task, node.source.file, node.source.line = "f.last", "flow.py", 9
    return closure


@pytest.mark.parametrize("named", [False, True])
async def test_a_pod_that_may_not_be_is_refused_before_the_first_pod(tmp_path: Path, named: bool) -> None:
    wide = {"spec": {"hostNetwork": True}}
    shape = {"pod_template_name": "wide"} if named else {"pod_template": '{"spec": {"hostNetwork": true}}'}
    stage = Stage(tmp_path, last_asks(**shape))
    stage.templates["wide"] = wide
    with pytest.raises(RefusedError) as refused:
        await open_run(stage.manifest, stage.services, stage.services.clock.since(0.0))
    failure = refused.value.failure
    assert failure.code == "PodPolicy"
    assert failure.message.startswith("flow.py:9: n1: task f.last: ")
    assert "spec.hostNetwork must not be true" in failure.message


async def test_a_secret_that_is_not_for_tasks_is_refused_before_the_first_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path, last_asks(secrets=[SecretRef(name="private", key="k", env="K")]))
    asked: list[set[str]] = []

    async def refusal(namespace: str, secrets: set[str]) -> str:
        asked.append(secrets)
        return "Secret 'private' is not for tasks"

    monkeypatch.setattr(stage.services.secrets, "refusal", refusal)
    with pytest.raises(RefusedError) as refused:
        await open_run(stage.manifest, stage.services, stage.services.clock.since(0.0))
    assert asked == [{"private"}]
    assert (refused.value.failure.code, refused.value.failure.message) == (
        "SecretMissing",
        "flow.py:9: n1: Secret 'private' is not for tasks",
    )
