"""Two operators that share a cluster's runs."""

import os
import signal
from pathlib import Path

import pytest
from propeller_rig import (
    RUNS_PATH,
    Cluster,
    Operator,
    chain,
    local_run,
    wait_for,
    wait_for_phase,
)

from limosa_model.names import shard_of
from limosa_model.values import integer

SHARDS = {"LIMOSA_SHARDS": "2"}
RUNS = 8


def shard(cluster: Cluster, name: str) -> str | None:
    label: str | None = (cluster.run(name)["metadata"].get("labels") or {}).get("limosa.dev/shard")
    return label


def opened(operator: Operator) -> set[str]:
    """Names of the runs that an operator ever drove."""
    lines = [line for line in operator.log.splitlines() if "run is opened" in line]
    return {name for line in lines for name in [f"r{n}" for n in range(RUNS)] if f"/{name} " in f"{line} "}


def start_runs(cluster: Cluster) -> None:
    for number in range(RUNS):
        cluster.call("POST", RUNS_PATH, local_run(f"r{number}", chain(1), {"x": integer(1)}))


def finish(cluster: Cluster, operator: Operator) -> None:
    """Ends what waits for ever, as a person would, and sees that somebody is there to carry it out."""
    for number in range(RUNS):
        cluster.patch_run(f"r{number}", {"spec": {"desired": "ABORT"}})
    for number in range(RUNS):
        wait_for_phase(cluster, f"r{number}", "ABORTED", operator)
    wait_for(lambda: not cluster.pods(), told=lambda: operator.log)


def pods_of_runs(cluster: Cluster) -> dict[str, str]:
    """By run, the uid of its only pod."""
    pods = cluster.pods()
    found = {pod["metadata"]["labels"]["limosa.dev/run"]: pod["metadata"]["uid"] for pod in pods}
    assert len(found) == len(pods), "a run has two pods"
    return found


@pytest.fixture
def pair(still_cluster: Cluster, tmp_path: Path):
    """Two operators that lead a shard each, with runs whose pods wait for ever."""
    store = {"LIMOSA_STORAGE_URL": f"file://{tmp_path / 'store'}"}
    (tmp_path / "store").mkdir()
    environ = {**SHARDS, **store, "LIMOSA_LEASE_SECONDS": "3"}
    operators = [Operator(still_cluster, tmp_path / name, environ) for name in ("first", "second")]
    for operator in operators:
        operator.start()
    try:
        wait_for(
            lambda: all("(0,) of 2" in o.log or "(1,) of 2" in o.log for o in operators),
            told=lambda: operators[0].log + operators[1].log,
        )
        start_runs(still_cluster)
        wait_for(lambda: len(still_cluster.pods()) == RUNS, told=lambda: operators[0].log + operators[1].log)
        yield operators
    finally:
        for operator in operators:
            if operator.exit_status() is None:
                operator.kill()


def test_no_run_is_driven_by_both_labels_heal_and_the_survivor_of_two_takes_over(
    still_cluster: Cluster, pair: list[Operator]
) -> None:
    first, second = pair
    theirs = [opened(first), opened(second)]
    assert not theirs[0] & theirs[1]
    assert theirs[0] | theirs[1] == {f"r{n}" for n in range(RUNS)}
    before = pods_of_runs(still_cluster)
    for number in range(RUNS):
        run = still_cluster.run(f"r{number}")
        label = f"{shard_of(run['metadata']['uid'], 2)}-of-2"
        assert shard(still_cluster, f"r{number}") == label
    labels = {pod["metadata"]["labels"]["limosa.dev/shard"] for pod in still_cluster.pods()}
    assert labels == {"0-of-2", "1-of-2"}
    right = shard(still_cluster, "r0")
    for wrong in (None, {"0-of-2": "1-of-2", "1-of-2": "0-of-2"}[str(right)]):
        still_cluster.patch_run("r0", {"metadata": {"labels": {"limosa.dev/shard": wrong}}})
        wait_for(lambda: shard(still_cluster, "r0") == right, told=lambda: first.log + second.log)
    first.kill()
    wait_for(lambda: "(0, 1) of 2" in second.log, told=lambda: second.log)
    wait_for(lambda: len(opened(second)) == RUNS, told=lambda: second.log)
    assert pods_of_runs(still_cluster) == before
    finish(still_cluster, second)


def test_an_operator_that_wakes_up_after_it_was_replaced_does_nothing_and_ends(
    still_cluster: Cluster, pair: list[Operator]
) -> None:
    first, second = pair
    before = pods_of_runs(still_cluster)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: "(0, 1) of 2" in second.log, told=lambda: second.log)
        finish(still_cluster, second)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    wait_for(lambda: first.exit_status() == 3, told=lambda: first.log)
    assert not still_cluster.pods()
    assert before.keys() == {f"r{n}" for n in range(RUNS)}


def test_another_number_of_shards_begins_when_the_last_operator_has_gone_and_keeps_the_pods(
    still_cluster: Cluster, pair: list[Operator], tmp_path: Path
) -> None:
    before = pods_of_runs(still_cluster)
    environ = {
        "LIMOSA_STORAGE_URL": f"file://{tmp_path / 'store'}",
        "LIMOSA_SHARDS": "3",
        "LIMOSA_LEASE_SECONDS": "3",
    }
    third = Operator(still_cluster, tmp_path / "third", environ)
    third.start()
    try:
        wait_for(lambda: "waiting for leadership" in third.log, told=lambda: third.log)
        assert [operator.stop() for operator in pair] == [0, 0]
        wait_for(lambda: len(opened(third)) == RUNS, told=lambda: third.log)
        assert pods_of_runs(still_cluster) == before
        values = {pod["metadata"]["labels"]["limosa.dev/shard"] for pod in still_cluster.pods()}
        assert all(value.endswith("-of-3") for value in values)
        finish(still_cluster, third)
    finally:
        third.kill()
