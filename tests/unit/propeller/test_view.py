from limosa_engine.graph import Item
from limosa_idl.run.v1alpha1.run_pb2 import TerminationRecord
from limosa_model.pod_contract import encode_termination
from limosa_propeller.pods.view import identity_of, view_of


def pod(**status: object) -> dict:
    return {
        "metadata": {
            "uid": "p1",
            "ownerReferences": [{"kind": "WorkflowRun", "uid": "w1"}],
            "annotations": {
                "limosa.dev/node-path": "n0/n1",
                "limosa.dev/launch": "2",
                "limosa.dev/launch-id": "abcdefghij",
                "limosa.dev/epoch": "1.1",
                "limosa.dev/index": "4",
            },
        },
        "spec": {"nodeName": "node-a"},
        "status": status,
    }


def container(**state: object) -> dict:
    return {"name": "task", "state": state}


def test_a_pod_says_whose_launch_it_is() -> None:
    identity = identity_of(pod())
    assert identity is not None
    assert (identity.owner_uid, identity.item, identity.launch) == ("w1", Item("n0/n1", 4), 2)


def test_a_pod_with_our_label_and_nothing_else_is_not_ours() -> None:
    assert identity_of({"metadata": {"uid": "p1"}}) is None
    broken = pod()
    broken["metadata"]["annotations"]["limosa.dev/launch"] = "two"
    assert identity_of(broken) is None


def test_a_pod_without_status_is_pending() -> None:
    view = view_of({"metadata": {"uid": "p1"}})
    assert (view.phase, view.ended, view.exit_code) == ("Pending", False, None)


def test_an_end_with_its_last_word() -> None:
    record = TerminationRecord(launch_id="abcdefghij", outcome=TerminationRecord.OUTCOME_COMMITTED)
    terminated = {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": "2026-01-02T03:04:05Z",
        "finishedAt": "2026-01-02T03:04:06Z",
        "message": encode_termination(record),
    }
    view = view_of(pod(phase="Succeeded", containerStatuses=[container(terminated=terminated)]))
    assert view.record == record
    assert (view.exit_code, view.ended, view.cluster_node) == (0, True, "node-a")
    assert view.started_at is not None
    assert view.finished_at is not None
    assert view.finished_at - view.started_at == 1.0


def test_a_runtime_that_could_not_begin_says_why() -> None:
    ended = {"exitCode": 64, "reason": "Error", "message": "no object store is configured"}
    assert (
        view_of(pod(phase="Failed", containerStatuses=[container(terminated=ended)])).message
        == ended["message"]
    )
    ended["exitCode"] = 1
    assert view_of(pod(phase="Failed", containerStatuses=[container(terminated=ended)])).message == ""


def test_a_sidecars_end_is_not_the_tasks() -> None:
    statuses = [{"name": "side", "state": {"terminated": {"exitCode": 1}}}, container(running={})]
    assert view_of(pod(phase="Running", containerStatuses=statuses)).exit_code is None


def test_the_reason_that_keeps_a_container_from_starting_comes_first() -> None:
    statuses = [container(waiting={"reason": "PodInitializing"})]
    init = [{"name": "i", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]
    view = view_of(pod(phase="Pending", containerStatuses=statuses, initContainerStatuses=init))
    assert (view.waiting_reason, view.waiting_message) == ("ImagePullBackOff", "no such image")


def test_conditions() -> None:
    conditions = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"},
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"},
    ]
    view = view_of(pod(phase="Pending", conditions=conditions))
    assert (view.unschedulable, view.disruption) == ("0/1 nodes", "PreemptionByScheduler")
