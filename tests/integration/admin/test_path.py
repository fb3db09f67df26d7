"""The thin path: register, create, sync, publish, watch."""

import threading

import pytest

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import values


def test_a_run_from_registration_to_success(stand) -> None:
    registered = stand.register().entities
    assert {(e.id.kind, e.id.name, e.created) for e in registered} == {
        (pb.ENTITY_KIND_TASK, "demo.double", True),
        (pb.ENTITY_KIND_WORKFLOW, "demo.wf", True),
    }
    run = stand.create(x=4)
    assert run.state.phase == run_pb2.RUN_PHASE_QUEUED
    assert run.url == "http://pages.test/runs/demo/development/calm-heron-1"

    (desired,) = stand.sync()
    assert desired.run_uid == run.uid
    assert desired.desired == pb.DESIRED_RUN
    assert (desired.epoch.generation, desired.epoch.number) == (1, 1)
    assert desired.spec.inputs.literals["x"] == values.integer(4)
    assert desired.spec.closure

    updates = []
    watching = threading.Thread(
        target=lambda: updates.extend(
            stand.admin.runs.WatchRun(
                pb.WatchRunRequest(id=pb.RunId(project="demo", domain="development", name=run.name))
            )
        )
    )
    watching.start()
    assert stand.run_state(desired, run_pb2.RUN_PHASE_RUNNING) == []
    node = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED, kind="task")
    stand.publish(desired, ("n0", None, None, node))
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED, seq=2)
    watching.join(20)
    assert not watching.is_alive()
    assert updates[0].HasField("closure")
    assert updates[0].closure.entry == "demo.wf"
    assert updates[-1].run.state.phase == run_pb2.RUN_PHASE_SUCCEEDED
    assert updates[-1].run.cluster == "c1-name"
    assert [s.key.node_path for update in updates for s in update.snapshots] == ["n0"]

    report = pb.RunReport(run_uid=run.uid, epoch=desired.epoch, phase=run_pb2.RUN_PHASE_SUCCEEDED)
    (forgotten,) = stand.sync(runs=[report])
    assert forgotten.desired == pb.DESIRED_FORGET


def test_detail_has_graph_and_snapshots(stand) -> None:
    stand.register()
    run = stand.create()
    (desired,) = stand.sync()
    stand.publish(
        desired, ("n0", None, 0, run_pb2.LaunchState(phase=run_pb2.LAUNCH_PHASE_RUNNING, launch_id="a"))
    )
    detail = stand.admin.runs.GetRun(
        pb.GetRunRequest(id=pb.RunId(project="demo", domain="development", name=run.name))
    )
    assert detail.run.uid == run.uid
    assert detail.closure.entry == "demo.wf"
    assert detail.snapshots[0].launch.launch_id == "a"


@pytest.mark.parametrize("kind", [pb.ENTITY_KIND_TASK, pb.ENTITY_KIND_UNSPECIFIED])
def test_a_task_runs_by_itself(stand, kind) -> None:
    stand.register()
    request = pb.CreateRunRequest(project="demo", domain="development", name="one")
    request.target.kind, request.target.name = kind, "demo.double"
    request.inputs.literals["x"].CopyFrom(values.integer(2))
    stand.admin.runs.CreateRun(request)
    (desired,) = stand.sync()
    assert b"demo.double" in desired.spec.closure
