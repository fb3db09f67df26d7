"""What a driver does in which order: the crash rule, quarantine, and what it makes of odd answers."""

import asyncio
import base64
import copy
import dataclasses
import logging
import zlib
from pathlib import Path

import orjson
import pytest
from driver_stage import Stage, chain, phases, settle

from limosa_engine import codec
from limosa_engine.commands import Command, Quarantine
from limosa_engine.events import Event
from limosa_engine.graph import Graph
from limosa_engine.phases import RunPhase
from limosa_engine.state import State
from limosa_engine.step import step
from limosa_idl.run.v1alpha1.run_pb2 import LAUNCH_PHASE_FAILED, Commit, LaunchState, Snapshot, SnapshotKey
from limosa_model import failures
from limosa_model.digests import serialize
from limosa_model.layout import commit_key, run_prefix
from limosa_model.values import integer
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.runs import actions, announcements, inbox
from limosa_propeller.runs import driver as driver_module
from limosa_propeller.runs import status as status_module
from limosa_propeller.runs.driver import RunDriver
from limosa_propeller.runs.pod_index import PodIndex
from limosa_propeller.runs.status import encode_status


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def test_a_first_launch_waits_for_no_status(stage: Stage) -> None:
    stage.cluster.status_gate.clear()
    await stage.start()
    assert stage.cluster.writes == ["create 0"]


async def test_a_further_launch_waits_for_an_accepted_status(stage: Stage) -> None:
    await stage.start()
    stage.cluster.status_gate.clear()
    await stage.end_pod(exit_code=1, committed=False)
    assert "create 1" not in stage.cluster.writes
    stage.cluster.status_gate.set()
    await settle()
    writes = stage.cluster.writes
    assert "status" in writes[writes.index("create 0") : writes.index("create 1")]


async def test_a_pod_that_nobody_ends_goes_without_its_kubelet_and_another_follows(stage: Stage) -> None:
    await stage.start()
    (pod,) = stage.pending()
    pod["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=0)
    pod["metadata"]["resourceVersion"] = stage.cluster.version()
    entry = stage.pods.observe(pod)
    assert entry is not None
    stage.driver.observe_pod(entry)
    await settle()
    assert "delete within 0 s" in stage.cluster.writes
    assert "create 1" in stage.cluster.writes


async def test_a_pod_goes_only_after_its_outcome_was_accepted(tmp_path: Path) -> None:
    stage = Stage(tmp_path, chain(2))
    await stage.start()
    stage.cluster.status_gate.clear()
    await stage.end_pod()
    assert "delete" not in stage.cluster.writes
    assert stage.cluster.writes.count("create 0") == 2
    stage.cluster.status_gate.set()
    await settle()
    assert "delete" in stage.cluster.writes


async def test_the_end_is_told_only_after_it_was_written(stage: Stage) -> None:
    await stage.start()
    stage.cluster.status_gate.clear()
    await stage.end_pod()
    assert 5 not in phases(stage)
    stage.cluster.status_gate.set()
    await settle()
    assert phases(stage)[-1] == 5
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert stage.driver.over


async def test_a_run_that_the_engine_puts_aside_ends_and_keeps_its_state(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    assert stage.cluster.status is not None
    before = stage.cluster.status["state"]
    again = copy.deepcopy(stage.manifest)
    again["status"] = stage.cluster.status
    failure = failures.system("CorruptData", "another graph", retryable=False)
    monkeypatch.setattr(driver_module, "step", lambda *_: [Quarantine(failure)])
    stage.driver.close()
    stage.driver = RunDriver(again, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()
    assert (stage.cluster.status["phase"], stage.cluster.status["reason"]) == ("FAILED", "CorruptData")
    assert stage.cluster.status["state"] == before


async def test_a_restart_goes_on_from_the_status(stage: Stage, tmp_path: Path) -> None:
    await stage.start()
    stage.driver.close()
    again = copy.deepcopy(stage.manifest)
    again["status"] = stage.cluster.status
    for pod in stage.cluster.pods.values():
        stage.pods.observe(pod)
    stage.driver = RunDriver(again, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()
    assert stage.cluster.writes.count("create 0") == 1
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"


async def test_a_run_that_parks_gives_its_slot_back_at_once_and_shows_it(tmp_path: Path) -> None:
    closure = chain(1)
    closure.tasks[0].retry.backoff.seconds = 3600
    stage = Stage(tmp_path, closure)
    await stage.start()
    assert stage.driver.holds_slot
    await stage.end_pod(exit_code=1, committed=False)
    assert (stage.driver.phase, stage.driver.holds_slot, stage.told) == ("PARKED", False, 1)
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "PARKED"
    stage.driver.close()
    parked = {**stage.manifest, "status": stage.cluster.status}
    again = RunDriver(parked, stage.services, stage.pods, stage.gone.append, stage.tell)
    assert not again.holds_slot
    assert not again.over
    again.close()


async def test_a_run_is_counted_and_told_of_as_kubernetes_events(stage: Stage) -> None:
    await stage.start()
    await stage.end_pod()
    text = stage.services.metrics.text().decode()
    lines = text.splitlines()
    assert "limosa_launches_total 1.0" in text
    assert 'limosa_runs_ended_total{phase="succeeded"} 1.0' in text
    assert 'limosa_pods_removed_total{reason="finished"} 1.0' in text
    for name in ("engine_step_seconds", "transition_seconds", "launch_wait_seconds", "run_seconds"):
        assert any(line.startswith(f"limosa_{name}_count") and not line.endswith(" 0.0") for line in lines), (
            name
        )
    told = [
        (event["reason"], event["type"], event["involvedObject"]["uid"]) for event in stage.cluster.events
    ]
    assert told == [("Started", "Normal", "object-uid"), ("Succeeded", "Normal", "object-uid")]


async def test_why_a_run_fails_stands_in_its_event(stage: Stage) -> None:
    await stage.start()
    await stage.end_pod(exit_code=1, committed=False)
    await stage.end_pod(exit_code=1, committed=False)
    last = stage.cluster.events[-1]
    assert (last["reason"], last["type"], last["message"]) == ("Failed", "Warning", "UserException: no")


async def test_a_bug_fails_its_run_with_the_story(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.start()

    def broken(*_: object) -> list[object]:
        raise KeyError("lost")

    monkeypatch.setattr(driver_module, "step", broken)
    await stage.end_pod()
    assert stage.cluster.status is not None
    failure = stage.cluster.status["failure"]
    assert (stage.cluster.status["phase"], failure["kind"], failure["code"]) == (
        "FAILED",
        "SYSTEM",
        "Internal",
    )
    assert "KeyError: 'lost'" in failure["message"]
    assert "n0" in failure["message"]
    assert phases(stage)[-1] == 6
    await settle()
    assert stage.cluster.pods == {}


@pytest.mark.parametrize("differs", ["limosa.dev/input-digest", "limosa.dev/launch-id"])
async def test_a_pod_of_that_name_of_another_launch_quarantines_the_run(stage: Stage, differs: str) -> None:
    await stage.start()
    (pod,) = stage.cluster.pods.values()
    pod["metadata"]["annotations"][differs] = "sha256:other"
    stage.driver.close()
    fresh = RunDriver(stage.manifest, stage.services, PodIndex(), stage.gone.append, stage.tell)
    fresh.start()
    await settle()
    assert stage.cluster.status is not None
    assert stage.cluster.status["reason"] == "PodConflict"


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Names of the events of each turn."""
    taken: list[list[str]] = []

    def noting(graph: Graph, state: State, events: list[Event], now: float) -> list[Command]:
        taken.append([type(event).__name__ for event in events])
        return step(graph, state, events, now)

    monkeypatch.setattr(driver_module, "step", noting)
    return taken


async def test_word_that_a_pod_was_made_is_taken_with_the_word_of_the_pod(
    stage: Stage, turns: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PATIENCE_SECONDS", 3600.0)
    await stage.start()
    assert len(stage.cluster.pods) == 1
    assert not any("PodCreated" in turn for turn in turns)
    await stage.end_pod()
    assert ["PodCreated", "PodObserved"] in turns


async def test_word_that_a_pod_was_made_is_taken_soon_without_any_other(
    stage: Stage, turns: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PATIENCE_SECONDS", 0.0)
    await stage.start()
    assert turns[-1] == ["PodCreated"]


async def test_a_pod_of_that_very_launch_is_taken_as_made(stage: Stage) -> None:
    await stage.start()
    stage.driver.close()
    stage.driver = RunDriver(stage.manifest, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert stage.driver.over


async def test_a_pod_left_by_an_earlier_object_is_removed_and_made_anew(stage: Stage) -> None:
    await stage.start()
    stage.driver.close()
    (pod,) = stage.cluster.pods.values()
    pod["metadata"]["ownerReferences"][0]["uid"] = "an-earlier-object"
    stage.driver = RunDriver(stage.manifest, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()
    assert stage.cluster.writes.count("delete") == 1


async def test_a_status_for_an_object_that_is_gone_ends_the_driver(stage: Stage) -> None:
    stage.cluster.run = None
    stage.cluster.status_error = ApiError(404, "NotFound", "gone")
    await stage.start()
    assert stage.gone == ["object-uid"]


async def test_a_status_for_another_object_of_that_name_ends_the_driver(stage: Stage) -> None:
    stage.cluster.run = copy.deepcopy(stage.manifest)
    stage.cluster.run["metadata"]["uid"] = "somebody-else"
    stage.cluster.status_error = ApiError(422, "Invalid", "the test failed")
    await stage.start()
    assert stage.gone == ["object-uid"]


async def test_a_rejected_pod_fails_the_run_by_its_reason(stage: Stage) -> None:
    stage.cluster.create_error = ApiError(422, "Invalid", "spec.containers[0].image: Required value")
    await stage.start()
    await settle()
    assert stage.cluster.status is not None
    assert stage.cluster.status["failure"]["code"] == "PodInvalid"
    assert "Required value" in stage.cluster.status["message"]


async def test_a_named_pod_template_is_waited_for_and_then_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "TEMPLATE_RETRY_SECONDS", 0.01)
    closure = chain(1)
    closure.tasks[0].pod_template_name = "roomy"
    stage = Stage(tmp_path, closure)
    await stage.start()
    assert not stage.cluster.pods
    reasons = [s.node.reason for s in stage.snapshots if s.node.reason.code == "PodTemplateMissing"]
    assert "PodTemplate 'roomy', which namespace demo-development does not have" in reasons[0].detail
    stage.templates["roomy"] = {"spec": {"nodeSelector": {"pool": "roomy"}}}
    for _ in range(500):
        if stage.cluster.pods:
            break
        await asyncio.sleep(0.01)
    (pod,) = stage.cluster.pods.values()
    assert pod["spec"]["nodeSelector"] == {"pool": "roomy"}


def sealed(**status: object) -> dict[str, object]:
    """A status as an operator writes it."""
    found: dict[str, object] = orjson.loads(encode_status(status, 0.0))
    return found


async def test_a_state_of_another_version_fails_clearly(stage: Stage) -> None:
    stage.manifest["status"] = sealed(state="AAAA", observedUid="object-uid", phase="RUNNING")
    await stage.start()
    assert stage.cluster.status is not None
    assert "status.state cannot be read" in stage.cluster.status["message"]
    assert stage.cluster.status["state"] == "AAAA"


async def test_a_small_state_that_unpacks_to_much_fails_its_run_only(stage: Stage) -> None:
    bomb = bytes([codec.VERSION]) + zlib.compress(bytes(32 * 1024 * 1024), 9)
    stage.manifest["status"] = sealed(
        state=base64.b64encode(bomb).decode(), observedUid="object-uid", phase="RUNNING"
    )
    await stage.start()
    assert stage.cluster.status is not None
    assert "unpacks to more than" in stage.cluster.status["message"]


async def test_an_edited_state_is_not_even_unpacked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.start()
    unpacked: list[bytes] = []
    monkeypatch.setattr(codec, "decode", lambda graph, data, now: unpacked.append(data))
    await reopened(stage, phase="SUCCEEDED")
    assert unpacked == []
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert stage.cluster.writes.count("create 0") == 1


async def test_an_object_being_deleted_is_left_alone(stage: Stage) -> None:
    await stage.start()
    before = list(stage.cluster.writes)
    deleted = copy.deepcopy(stage.manifest)
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    stage.driver.observe_object(deleted)
    await stage.end_pod()
    assert stage.cluster.writes == before


@pytest.mark.parametrize("local", [True, False])
async def test_of_a_run_that_only_its_object_knew_an_event_says_that_it_was_deleted(
    stage: Stage, local: bool
) -> None:
    await stage.start()
    stage.driver.claim = dataclasses.replace(stage.driver.claim, local=local)
    before = list(stage.cluster.writes)
    stage.driver.deleted()
    await settle()
    assert [event["reason"] for event in stage.cluster.events].count("Deleted") == local
    assert stage.cluster.writes == before


async def test_the_pods_of_an_object_that_a_finalizer_holds_end_and_admin_is_told_who_holds_it(
    stage: Stage,
) -> None:
    await stage.start()
    for pod in stage.cluster.pods.values():
        stage.pods.observe(pod)
    held = copy.deepcopy(stage.manifest)
    held["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x.y/z"])
    stage.driver.observe_object(held)
    await settle()
    assert stage.cluster.pods == {}
    told = stage.snapshots[-1].run
    assert (told.phase, told.reason.code) == (RunPhase.RUNNING, "ObjectHeld")
    assert told.reason.detail == "its WorkflowRun is being deleted and held by finalizer x.y/z"


async def test_a_run_aborted_before_it_was_opened_makes_nothing_and_is_no_error(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    aborted = copy.deepcopy(stage.manifest)
    aborted["spec"]["desired"] = "ABORT"
    stage.cluster.run = aborted
    RunDriver(aborted, stage.services, stage.pods, stage.gone.append, stage.tell).start()
    await settle()
    assert stage.cluster.writes == ["status"]
    assert [record.levelname for record in caplog.records if "ended by the operator" in record.message] == [
        "INFO"
    ]


async def test_a_run_that_is_over_only_loses_its_pods(stage: Stage) -> None:
    await stage.start()
    for pod in stage.cluster.pods.values():
        stage.pods.observe(pod)
    over = copy.deepcopy(stage.manifest)
    over["status"] = sealed(phase="SUCCEEDED", observedUid="object-uid")
    stage.driver.close()
    RunDriver(over, stage.services, stage.pods, stage.gone.append, stage.tell).start()
    await settle()
    assert stage.cluster.pods == {}
    assert stage.cluster.writes[-1] == "delete"


async def test_an_end_that_admin_may_not_know_is_told_again(stage: Stage) -> None:
    await stage.start()
    await stage.end_pod()
    over = copy.deepcopy(stage.manifest)
    over["status"] = stage.cluster.status
    commit = Commit(run_uid="run-uid", launch_id="x")
    commit.inline.literals["o0"].CopyFrom(integer(7))
    key = commit_key(run_prefix("demo", "development", "calm-heron", "run-uid"), "n0", None)
    await stage.services.store.call(lambda store: store.put(key, serialize(commit)))
    stage.snapshots.clear()
    RunDriver(over, stage.services, stage.pods, stage.gone.append, stage.tell).start()
    await settle()
    assert phases(stage) == [5]
    assert stage.snapshots[-1].run.outputs.literals["o0"] == integer(7)


async def test_an_end_that_the_operator_made_is_told_again(stage: Stage) -> None:
    over = copy.deepcopy(stage.manifest)
    failure = {"kind": "SYSTEM", "code": "Internal", "message": "a bug"}
    told = {"failure": failure, "finishedAt": "2026-01-01T00:00:00Z", "observedUid": "object-uid"}
    over["status"] = sealed(phase="FAILED", **told)
    RunDriver(over, stage.services, stage.pods, stage.gone.append, stage.tell).start()
    await settle()
    (told,) = stage.snapshots
    assert (told.run.phase, told.run.failure.code, told.epoch.number) == (6, "Internal", 1)
    assert stage.cluster.writes == []


async def test_an_edited_phase_is_written_again(stage: Stage) -> None:
    await stage.start()
    assert stage.cluster.status is not None
    edited = {**stage.manifest, "status": {**stage.cluster.status, "phase": "SUCCEEDED"}}
    stage.cluster.status = None
    stage.driver.observe_object(edited)
    await settle()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "RUNNING"
    stage.cluster.writes.clear()
    stage.driver.observe_object({**stage.manifest, "status": stage.cluster.status})
    await settle()
    assert stage.cluster.writes == []


async def reopened(stage: Stage, **edits: object) -> None:
    """The operator starts again and finds the status as somebody edited it."""
    stage.driver.close()
    again = copy.deepcopy(stage.manifest)
    again["status"] = {**(stage.cluster.status or {}), **edits}
    for pod in stage.cluster.pods.values():
        stage.pods.observe(pod)
    stage.driver = RunDriver(again, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()


async def test_an_edited_phase_ends_nothing_after_a_restart(stage: Stage) -> None:
    await stage.start()
    await reopened(stage, phase="SUCCEEDED")
    assert not stage.driver.over
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert stage.snapshots[-1].run.outputs.literals["o0"] == integer(7)


async def test_a_state_that_somebody_broke_is_made_anew_from_pods(stage: Stage) -> None:
    await stage.start()
    await reopened(stage, phase="SUCCEEDED", state="bm8=")
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert stage.cluster.writes.count("create 0") == 1


async def restarted(stage: Stage, written: object) -> None:
    """The operator starts anew, and finds the status written at some time, with a seal that fits."""
    stage.driver.close()
    told = {key: value for key, value in (stage.cluster.status or {}).items() if key != "seal"}
    told["writtenAt"] = written
    again = {**copy.deepcopy(stage.manifest), "status": {**told, "seal": status_module._seal(told)}}
    for pod in stage.cluster.pods.values():
        stage.pods.observe(pod)
    stage.driver = RunDriver(again, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()


@pytest.mark.parametrize("written", ["9999-12-31T23:59:59Z", "2099-01-01T00:00:00Z"])
async def test_a_status_from_the_far_future_moves_no_clock_and_its_run_goes_on(
    stage: Stage, written: str
) -> None:
    await stage.start()
    before = stage.services.clock.now()
    await restarted(stage, written)
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert stage.services.clock.now() - before < 60
    assert "TimeNotBelieved" in [event["reason"] for event in stage.cluster.events]
    assert stage.cluster.status["finishedAt"] < "2090"


@pytest.mark.parametrize("written", ["soon", 5, None, "0000-00-00T00:00:00Z"])
async def test_a_status_written_at_no_time_at_all_is_one_without(stage: Stage, written: object) -> None:
    await stage.start()
    await restarted(stage, written)
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"


async def test_what_fails_while_people_are_told_ends_this_run_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("year 10000 is out of range")

    monkeypatch.setattr(announcements, "notice_of", broken)
    await stage.start()
    assert stage.cluster.status is not None
    assert "year 10000" in stage.cluster.status["failure"]["message"]
    assert stage.cluster.status["phase"] == "FAILED"


async def test_a_failed_launch_is_logged_with_its_ids_and_counted(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.start()
    (pod,) = stage.cluster.pods
    await stage.end_pod(exit_code=1, committed=False)
    (told,) = [record for record in caplog.records if record.message == "launch failed"]
    found = {
        name: getattr(told, name) for name in ("run", "node", "launch", "pod", "code", "kind", "retryable")
    }
    assert found == {
        "run": "demo-development/calm-heron",
        "node": "n0",
        "launch": 0,
        "pod": pod,
        "code": "UserException",
        "kind": "USER",
        "retryable": True,
    }
    await stage.end_pod()
    text = stage.services.metrics.text().decode()
    assert 'limosa_launches_ended_total{code="UserException",phase="failed"} 1.0' in text
    assert 'limosa_launches_ended_total{code="",phase="succeeded"} 1.0' in text
    assert 'limosa_nodes_ended_total{phase="succeeded"} 1.0' in text
    assert 'limosa_launch_seconds_count{phase="failed"} 1.0' in text


async def test_of_many_failures_of_a_run_the_first_are_logged(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    launch = LaunchState(phase=LAUNCH_PHASE_FAILED, failure=failures.user("Name of my own", "no"))
    for number in range(announcements.MOST_FAILURES + 50):
        key = SnapshotKey(run_uid="r", node_path="n0", index=number, launch=0)
        stage.driver._announcements.count(Snapshot(key=key, launch=launch), stage.driver.log)
    told = [record for record in caplog.records if record.message == "launch failed"]
    assert len(told) == announcements.MOST_FAILURES
    assert "they are not logged" in caplog.records[-1].message
    text = stage.services.metrics.text().decode()
    assert 'limosa_launches_ended_total{code="other",phase="failed"} 150.0' in text


async def test_people_with_kubectl_and_admin_are_told_the_same_progress(tmp_path: Path) -> None:
    stage = Stage(tmp_path, chain(3))
    await stage.start()
    await stage.end_pod()
    for _ in range(2):
        await stage.end_pod(exit_code=1, committed=False)
    assert stage.cluster.status is not None
    told = stage.cluster.status["nodes"]
    last = [one.run for one in stage.snapshots if one.WhichOneof("state") == "run"][-1]
    assert (told, f"{last.nodes_done}/{last.nodes_total}") == ("1/3", "1/3")
