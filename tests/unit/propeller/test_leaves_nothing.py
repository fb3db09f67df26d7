"""A run that came and went leaves nothing in the operator, however long that lives; nor is it left to the search for cycles."""

import copy
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver_stage import Object, Stage, chain, manifest, settle

from limosa_propeller.runs import fleet as fleet_module
from limosa_propeller.runs import pod_index
from limosa_propeller.runs.fleet import Fleet


@pytest.fixture
def without_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("ending", ["ended", "deleted midway"])
async def test_a_run_goes_with_its_object(
    tmp_path: Path,
    ending: str,
    without_collection: None,
    monkeypatch: pytest.MonkeyPatch,
    holdings: Callable[[str], dict[str, int]],
) -> None:
    # What is remembered of deleted objects is bounded by number.
    monkeypatch.setattr(pod_index, "TOMBSTONES", 0)
    monkeypatch.setattr(fleet_module, "GONE", 0)
    stage = Stage(tmp_path)
    fleet = Fleet(stage.services)
    fleet.synced = True
    found = []
    for turn in range(2):
        await _come_and_go(stage, fleet, turn, ending == "ended")
        found.append({**holdings("limosa_propeller"), **holdings("limosa_engine")})
    # What the first run made for all of its workflow stays.
    assert found[0] == found[1]


async def _come_and_go(stage: Stage, fleet: Fleet, turn: int, ends: bool) -> None:
    run = _run(stage, turn)
    stage.cluster.run = run
    fleet.observe_run("ADDED", run)
    await settle()
    pods = list(stage.cluster.pods.values())
    for pod in pods:
        if ends:
            stage.mark_ended(pod)
        fleet.observe_pod("MODIFIED", copy.deepcopy(pod))
    await settle()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == ("SUCCEEDED" if ends else "RUNNING")
    fleet.observe_run("DELETED", {**run, "metadata": {**run["metadata"], "resourceVersion": "900"}})
    for pod in pods:
        fleet.observe_pod("DELETED", pod)
    stage.cluster.pods.clear()
    stage.cluster.run = stage.cluster.status = None
    stage.snapshots.clear()
    stage.cluster.writes.clear()
    await settle()


def _run(stage: Stage, turn: int) -> Object:
    run = manifest(chain(1))
    run["metadata"].update(
        name=f"run-{turn}", uid=f"uid-{turn}", resourceVersion=stage.cluster.version(), generation=1
    )
    return run
