"""The referee is content with the product, and catches each build that lacks what the promises rest on."""

import copy
from pathlib import Path
from typing import Any

import pytest
from flows import write_flows
from platform_rig import runs
from platform_rig.sandbox import PODS, Sandbox
from platform_rig.waiting import wait_for
from referee import CHECKED, COMMITTED, STARTED, Event, Referee, judge

from limosa_model.names import ANNOTATION_RUN_UID


def told(what: str, launch: int = 0, launch_id: str = "") -> Event:
    return Event("run", "n0", None, launch, launch_id or f"launch{launch}", "1.1", what)


SOUND = [told(CHECKED), told(STARTED), told(CHECKED, 1), told(STARTED, 1), told(COMMITTED), told(CHECKED, 2)]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ([], None),
        ([told(STARTED, 2)], "n0: launch launch2 ran though its check followed the commit"),
        ([told(STARTED, 3)], "n0: launch launch3 ran without a check"),
        ([told(COMMITTED, 1)], "n0: committed 2 times, by launch0, launch1"),
        ([told(STARTED, 1)], "n0: launch launch1 ran 2 times"),
    ],
)
def test_what_the_judge_says(more: list[Event], complaint: str | None) -> None:
    assert judge([*SOUND, *more]) == ([complaint] if complaint else [])


def twin_of(sandbox: Sandbox, uid: str) -> dict[str, Any]:
    """The pod of a run's first launch, as another cluster with a later claim would ask for it."""

    def look() -> dict[str, Any] | None:
        pods = sandbox.objects(PODS)
        return next(
            (pod for pod in pods if pod["metadata"]["annotations"].get(ANNOTATION_RUN_UID) == uid), None
        )

    pod = copy.deepcopy(wait_for(look, sandbox.told))
    spec = pod["spec"]
    spec.pop("nodeName", None)
    changed = {"LIMOSA_POD_LAUNCH_ID": "twintwintw", "LIMOSA_POD_EPOCH": "1.99"}
    for entry in spec["containers"][0]["env"]:
        if entry["name"] in changed:
            entry["value"] = changed.pop(entry["name"])
    assert not changed
    metadata = {"name": f"twin-{uid[:8]}", "annotations": pod["metadata"]["annotations"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def run_twin(sandbox: Sandbox, twin: dict[str, Any]) -> str:
    """Runs a pod to its end; gives its phase."""
    status, answer = sandbox.kube("POST", PODS, twin)
    assert status == 201, answer
    path = f"{PODS}/{twin['metadata']['name']}"
    phase = wait_for(lambda: _end(sandbox.kube("GET", path)[1]), sandbox.told)
    sandbox.kube("DELETE", path)
    return phase


def _end(pod: dict[str, Any]) -> str:
    phase: str = pod["status"]["phase"]
    return phase if phase in ("Succeeded", "Failed") else ""


def run_with_twin(
    sandbox: Sandbox, referee: Referee, folder: Path, *, crippled: str = "", late: bool
) -> list[Event]:
    """Runs one task while a second cluster launches it too; late: only after the first has committed."""
    file = write_flows(folder, referee.address, {"REFEREE_CRIPPLED": crippled})
    name = runs.submit(sandbox, file, "one", {"x": 1, "ms": 1000})
    with sandbox.client() as client:
        uid = client.get_run(name).run.uid
        twin = twin_of(sandbox, uid)
        if late:
            assert runs.await_end(client, name).phase == "SUCCEEDED"
        assert run_twin(sandbox, twin) == "Succeeded"
        assert runs.await_end(client, name).phase == "SUCCEEDED"
    assert list(runs.outputs(sandbox, name).values()) == [2]
    return referee.events(uid)


def test_two_clusters_at_once_give_one_result(
    judged_sandbox: Sandbox, referee: Referee, tmp_path: Path
) -> None:
    events = run_with_twin(judged_sandbox, referee, tmp_path, late=False)
    assert [event.what for event in events].count(STARTED) == 2
    assert judge(events) == []


def test_a_late_cluster_runs_nothing(judged_sandbox: Sandbox, referee: Referee, tmp_path: Path) -> None:
    events = run_with_twin(judged_sandbox, referee, tmp_path, late=True)
    assert [event.what for event in events] == [CHECKED, STARTED, COMMITTED, CHECKED]
    assert judge(events) == []


def test_a_runtime_without_start_check_is_caught(
    judged_sandbox: Sandbox, referee: Referee, tmp_path: Path
) -> None:
    events = run_with_twin(judged_sandbox, referee, tmp_path, crippled="no-start-check", late=True)
    assert judge(events) == ["n0: launch twintwintw ran though its check followed the commit"]


def test_a_runtime_that_overwrites_commits_is_caught(
    judged_sandbox: Sandbox, referee: Referee, tmp_path: Path
) -> None:
    events = run_with_twin(judged_sandbox, referee, tmp_path, crippled="unconditional-commit", late=False)
    (complaint,) = judge(events)
    assert complaint.startswith("n0: committed 2 times")


@pytest.mark.parametrize("operator", ["sound", "hasty"])
def test_an_operator_that_deletes_pods_before_it_wrote_their_outcome_is_caught(
    double: Path, referee: Referee, tmp_path: Path, operator: str
) -> None:
    died = tmp_path / "died"
    environ = {"REFEREE_OPERATOR": operator, "REFEREE_OPERATOR_DIED": str(died)}
    sandbox = Sandbox(tmp_path, double, environ).for_author(double)
    try:
        sandbox.start()
        file = write_flows(tmp_path / "flows", referee.address)
        ended = runs.run(sandbox, file, "recovering", {"x": 1})
    finally:
        sandbox.stop()
    assert died.exists()
    assert ended.phase == "SUCCEEDED", ended.failure
    complaints = [complaint.partition(" ran ")[2] for complaint in judge(referee.events(ended.uid))]
    assert complaints == ([] if operator == "sound" else ["2 times"])
    assert sandbox.processes() == []
