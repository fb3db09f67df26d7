"""Pods that carry a run's labels and owner and are none of its launches: copies, pods made by hand."""

import copy
import logging
from pathlib import Path
from typing import Any

import pytest
from driver_stage import Stage, chain, settle

from limosa_engine.phases import RunPhase
from limosa_propeller.pods.view import identity_of


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path, chain(2))
    await stage.start()
    return stage


async def show(stage: Stage, name: str, status: dict[str, Any] | None = None, **annotations: str) -> str:
    """A copy of the run's pod under another name is seen; gives its uid."""
    pod = stage.pending()[0]
    strange = copy.deepcopy(pod)
    strange["metadata"].update(name=name, uid=f"uid-{name}", resourceVersion=stage.cluster.version())
    for key, value in annotations.items():
        strange["metadata"]["annotations"][f"limosa.dev/{key.replace('_', '-')}"] = value
    strange["status"] = status or {"phase": "Running"}
    entry = stage.pods.observe(strange)
    if entry is not None:
        stage.driver.observe_pod(entry)
        await settle()
    return f"uid-{name}"


@pytest.mark.parametrize(
    "annotations",
    [
        {"launch": "0"},
        {"launch": "3"},
        {"launch": "99999999999"},
        {"launch": "-1"},
        {"node_path": "n1"},
        {"index": "-4"},
        {"launch_id": "aaaaaaaaaa"},
        {"node_path": "nowhere"},
    ],
    ids=str,
)
async def test_a_strange_pod_decides_nothing(stage: Stage, annotations: dict[str, str]) -> None:
    uid = await show(stage, "copy", {"phase": "Failed"}, **annotations)
    gone = stage.pods.forget(uid)
    if gone is not None:
        stage.driver.pod_gone(gone)
        await settle()
    assert stage.driver.phase == RunPhase.RUNNING.name
    await stage.end_pod()
    await stage.end_pod()
    await settle()
    assert stage.driver.phase == RunPhase.SUCCEEDED.name
    assert stage.cluster.writes.count("create 0") == 2
    assert "create 1" not in stage.cluster.writes


async def test_a_strange_pod_is_told_of_once(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await show(stage, "copy", launch="3")
        await show(stage, "copy", launch="3")
    assert [record.message for record in caplog.records] == ["a pod is not a launch of its run"]
    (told,) = [event for event in stage.cluster.events if event["reason"] == "StrangePod"]
    assert "pod copy" in told["message"]
    assert "kubectl delete pod copy" in told["message"]


@pytest.mark.parametrize(
    "annotations", [{"launch": "-1"}, {"launch": "2147483648"}, {"index": "-1"}], ids=str
)
async def test_what_cannot_be_a_launch_has_no_identity(stage: Stage, annotations: dict[str, str]) -> None:
    (pod,) = stage.pending()
    pod["metadata"]["annotations"].update({f"limosa.dev/{key}": value for key, value in annotations.items()})
    assert identity_of(pod) is None
