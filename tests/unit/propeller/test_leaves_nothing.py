"""A run that came and went leaves nothing in the operator, however long that lives; nor is it left to the search for cycles."""

import copy
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from driver_stage import Object, Stage, chain, manifest, settle

from limosa_engine.graph import Graph
from limosa_engine.state import State
from limosa_propeller.runs import fleet as fleet_module
from limosa_propeller.runs import pod_index
from limosa_propeller.runs.driver import RunDriver
from limosa_propeller.runs.fleet import Fleet


@pytest.fixture
def without_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("ending", ["ended", "deleted midway"])
async def test_a_run_goes_with_its_object(
    tmp_path: Path, ending: str, without_collection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is remembered of deleted objects is bounded by number.
    monkeypatch.setattr(pod_index, "TOMBSTONES", 0)
    monkeypatch.setattr(fleet_module, "GONE", 0)
    stage = Stage(tmp_path)
    fleet = Fleet(stage.services)
    fleet.synced = True
    objects, sizes = [], []
    for turn in range(2):
        await _come_and_go(stage, fleet, turn, ending == "ended")
        objects.append({kind: _count(kind) for kind in (RunDriver, Graph, State)})
        sizes.append(dict(_sizes({"fleet": fleet, "services": stage.services}, "", set())))
    # What the first run made for all of its workflow stays.
    assert objects[0] == objects[1]
    assert sizes[0] == sizes[1]


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


def _count(kind: type) -> int:
    return sum(isinstance(one, kind) for one in gc.get_objects())


def _sizes(value: object, path: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    """Sizes of all collections that our objects hold."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if hasattr(value, "__len__") and not isinstance(value, str | bytes):
        yield path, len(value)
    if isinstance(value, dict):
        for number, inner in enumerate(value.values()):
            yield from _sizes(inner, f"{path}.{number}", seen)
    elif type(value).__module__.startswith("limosa_propeller") and hasattr(value, "__dict__"):
        for name, inner in vars(value).items():
            yield from _sizes(inner, f"{path}.{name}", seen)
