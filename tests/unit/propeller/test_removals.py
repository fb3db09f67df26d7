"""Pods of launches that are over: removed together, after the status that holds their outcome, and never others."""

import asyncio
from pathlib import Path

import pytest
from driver_stage import Stage, parallel, settle

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.runs import removals

COUNT = removals.FEW + 2


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    """A run whose pods are there."""
    stage = Stage(tmp_path, parallel(COUNT))
    await stage.start()
    assert len(stage.pending()) == COUNT
    return stage


def deletions(stage: Stage) -> list[str]:
    return [write for write in stage.cluster.writes if write.startswith("delete")]


async def test_many_pods_go_with_one_request_once_their_outcome_was_accepted(stage: Stage) -> None:
    stage.cluster.status_gate.clear()
    await stage.end_pods()
    assert deletions(stage) == []
    stage.cluster.status_gate.set()
    await settle()
    assert deletions(stage) == [f"delete {COUNT}"]
    assert stage.cluster.pods == {}
    assert (
        f'limosa_pods_removed_total{{reason="finished"}} {COUNT}.0' in stage.services.metrics.text().decode()
    )


async def test_what_is_not_over_stays(tmp_path: Path) -> None:
    stage = Stage(tmp_path, parallel(COUNT + 1))
    await stage.start()
    first = next(iter(stage.cluster.pods))
    await stage.end_pods(left=1)
    assert list(stage.cluster.pods) == [first]
    assert deletions(stage) == [f"delete {COUNT}"]


async def test_pods_of_several_runs_go_together(tmp_path: Path) -> None:
    cluster = Stage(tmp_path).cluster
    made = removals.Removals(cluster, 4, 0.0)  # type: ignore[arg-type]
    asked = [made.remove_launches("demo-development", [f"a{n}", f"b{n}"]) for n in range(COUNT)]
    assert await asyncio.gather(*asked) == [True] * COUNT
    assert cluster.writes == [f"delete {2 * COUNT}"]


async def test_a_few_go_one_by_one(tmp_path: Path) -> None:
    stage = Stage(tmp_path, parallel(removals.FEW))
    await stage.start()
    await stage.end_pods()
    assert deletions(stage) == ["delete"] * removals.FEW
    assert stage.cluster.pods == {}


async def test_an_api_server_that_refuses_such_requests_is_asked_for_each(stage: Stage) -> None:
    stage.cluster.collection_errors = [ApiError(403, "Forbidden", "cannot deletecollection")]
    await stage.end_pods()
    assert deletions(stage) == [f"delete {COUNT}"] + ["delete"] * COUNT
    assert stage.cluster.pods == {}


async def test_no_answer_means_asking_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removals, "BACKOFF_SECONDS", (0.0,))
    stage.cluster.collection_errors = [ApiError(0, "Unreachable", "reset"), ApiError(503, "", "later")]
    await stage.end_pods()
    assert deletions(stage) == [f"delete {COUNT}"] * 3
    assert stage.cluster.pods == {}


async def test_word_of_pods_that_are_gone_is_worth_no_status(stage: Stage) -> None:
    await stage.end_pods()
    entries = list(stage.pods.owned_by("object-uid"))
    before = stage.cluster.writes.count("status")
    for entry in entries:
        stage.driver.pod_gone(entry)
        await settle()
    assert len(entries) == COUNT
    assert stage.cluster.writes.count("status") == before
