from datetime import datetime, timezone

import pytest

from limosa_sandbox.node.containers import Exit
from limosa_sandbox.node.status import INIT, MAIN, SIDECAR, ContainerState, Verdict, phase_of, pod_status

_NOW = datetime(2024, 5, 1, 12, 0, tzinfo=timezone.utc)
_OK = Exit(0, "Completed", 10.0, 20.0)
_BAD = Exit(2, "Error", 10.0, 20.0, "why")


def _state(role: str = MAIN, name: str = "c", **more) -> ContainerState:
    return ContainerState(name, "image", role, "uid", **more)


@pytest.mark.parametrize(
    ("states", "phase"),
    [
        ([_state()], "Pending"),
        ([_state(running_since=1.0)], "Running"),
        ([_state(exit=_OK)], "Succeeded"),
        ([_state(exit=_OK), _state(exit=_BAD)], "Failed"),
        ([_state(exit=_OK), _state(running_since=1.0)], "Running"),
        ([_state(last_exit=_BAD, restarts=1)], "Running"),
        ([_state(INIT, running_since=1.0), _state()], "Pending"),
        ([_state(INIT, exit=_OK), _state(running_since=1.0)], "Running"),
        ([_state(INIT, exit=_BAD), _state()], "Failed"),
        ([_state(SIDECAR, running_since=1.0), _state(exit=_OK)], "Succeeded"),
    ],
)
def test_the_phase_follows_from_the_containers(states, phase):
    assert phase_of(states, never_restarts=True) == phase


def _status(states, verdict, current=None):
    return pod_status(current or {}, states, verdict, 5.0, _NOW)


def test_a_running_pod():
    status = _status([_state(running_since=10.0)], Verdict("Running"))

    (container,) = status["containerStatuses"]
    assert container["state"] == {"running": {"startedAt": "1970-01-01T00:00:10Z"}}
    assert (container["ready"], container["started"], container["restartCount"]) == (True, True, 0)
    assert status["startTime"] == "1970-01-01T00:00:05Z"
    assert "reason" not in status


def test_an_ended_container_tells_all_about_its_end():
    status = _status([_state(exit=_BAD)], Verdict("Failed", "Evicted", "too much"))

    assert status["containerStatuses"][0]["state"]["terminated"] == {
        "exitCode": 2, "reason": "Error", "message": "why", "startedAt": "1970-01-01T00:00:10Z",
        "finishedAt": "1970-01-01T00:00:20Z", "containerID": "sandbox://uid/c/0",
    }  # fmt: skip
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", "too much")


def test_a_waiting_container_tells_why():
    status = _status(
        [_state(waiting=("CreateContainerConfigError", 'secret "x" not found'))], Verdict("Pending")
    )

    container = status["containerStatuses"][0]
    assert container["state"]["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": 'secret "x" not found',
    }
    assert "containerID" not in container


def test_what_others_wrote_stays():
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2024-01-01T00:00:00Z"}
    current = {"qosClass": "Burstable", "conditions": [scheduled], "startTime": "2024-01-01T00:00:01Z"}

    status = _status([_state(running_since=10.0)], Verdict("Running"), current)

    assert status["qosClass"] == "Burstable"
    assert scheduled in status["conditions"]
    assert status["startTime"] == "2024-01-01T00:00:01Z"


def test_a_condition_that_holds_keeps_its_time():
    first = _status([_state(running_since=10.0)], Verdict("Running"))
    later = pod_status(
        first,
        [_state(running_since=10.0)],
        Verdict("Running"),
        5.0,
        datetime(2025, 1, 1, tzinfo=timezone.utc),
    )
    ended = pod_status(
        first, [_state(exit=_OK)], Verdict("Succeeded"), 5.0, datetime(2025, 1, 1, tzinfo=timezone.utc)
    )

    assert later["conditions"] == first["conditions"]
    ready = {entry["type"]: entry for entry in ended["conditions"]}["Ready"]
    assert (ready["status"], ready["reason"], ready["lastTransitionTime"]) == (
        "False",
        "PodCompleted",
        "2025-01-01T00:00:00Z",
    )


def test_init_containers_and_sidecars_have_their_own_list():
    states = [
        _state(INIT, "i", exit=_OK),
        _state(SIDECAR, "s", running_since=1.0),
        _state(MAIN, "m", running_since=2.0),
    ]

    status = _status(states, Verdict("Running"))

    assert [entry["name"] for entry in status["initContainerStatuses"]] == ["i", "s"]
    assert [entry["name"] for entry in status["containerStatuses"]] == ["m"]


def test_a_disruption_is_a_condition():
    status = _status([_state(exit=_BAD)], Verdict("Failed", "Terminated", "bye", "TerminationByKubelet"))

    conditions = {entry["type"]: entry for entry in status["conditions"]}
    assert conditions["DisruptionTarget"]["reason"] == "TerminationByKubelet"
