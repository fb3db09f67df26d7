"""Runs that wait for people beside runs that work, on an operator with few slots."""

import threading
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from propeller_rig import Cluster, chain, running_operator, wait_for

from limosa_idl.admin.v1alpha1.admin_pb2 import (
    DESIRED_RUN,
    DesiredRun,
    PublishRequest,
    PublishResponse,
    RunReport,
    SyncRequest,
    SyncResponse,
)
from limosa_idl.admin.v1alpha1.admin_pb2_grpc import (
    OperatorServiceServicer,
    add_OperatorServiceServicer_to_server,
)
from limosa_idl.run.v1alpha1.run_pb2 import RUN_PHASE_PARKED, RUN_PHASE_SUCCEEDED, Epoch, RunSpec, Signal
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, WorkflowSpec
from limosa_model.digests import serialize, sha256_hex
from limosa_model.values import integer

SLOTS = 10


class Queue(OperatorServiceServicer):
    """Gives runs, oldest first, to an operator that says it has slots; repeats signals until they are taken."""

    def __init__(self) -> None:
        self.waiting: deque[DesiredRun] = deque()
        self.given: list[DesiredRun] = []
        self.reported: dict[str, RunReport] = {}
        self.signals: dict[str, Signal] = {}
        self.repeated = 0
        self.ended: set[str] = set()

    def add(self, name: str, closure: Closure) -> str:
        data = serialize(closure)
        spec = RunSpec(
            run_uid=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), name=name, project="demo", domain="development"
        )
        spec.closure, spec.closure_digest = data, sha256_hex(data)
        spec.inputs.literals["x"].CopyFrom(integer(1))
        if not closure.tasks:
            spec.inputs.Clear()
        epoch = Epoch(generation=1, number=1)
        self.waiting.append(
            DesiredRun(run_uid=spec.run_uid, epoch=epoch, desired=DESIRED_RUN, spec=spec, number=0)
        )
        return spec.run_uid

    def Sync(self, request: SyncRequest, context: grpc.ServicerContext) -> SyncResponse:
        threading.Event().wait(0.05)
        self.reported = {run.run_uid: run for run in request.runs}
        # As the real one does: every claim that is not reported is sent again, and counts.
        fresh = sum(run.run_uid not in self.reported for run in self.given)
        for _ in range(min(max(request.free_slots - fresh, 0), len(self.waiting))):
            self.given.append(self.waiting.popleft())
        answer = SyncResponse()
        for run in self.given:
            if run.run_uid in self.ended:
                continue
            copy = answer.runs.add()
            copy.CopyFrom(run)
            report = self.reported.get(run.run_uid)
            if report is not None and report.epoch == run.epoch:
                copy.ClearField("spec")
            signal = self.signals.get(run.run_uid)
            if signal is not None and (report is None or signal.node_path not in report.signals_taken):
                copy.signals.append(signal)
                self.repeated += 1
        return answer

    def Publish(self, request: PublishRequest, context: grpc.ServicerContext) -> PublishResponse:
        for snapshot in request.snapshots:
            if snapshot.WhichOneof("state") == "run" and snapshot.run.phase == RUN_PHASE_SUCCEEDED:
                self.ended.add(snapshot.key.run_uid)
        return PublishResponse()

    def parked(self) -> set[str]:
        return {uid for uid, run in list(self.reported.items()) if run.phase == RUN_PHASE_PARKED}


@pytest.fixture
def queue() -> Iterator[tuple[Queue, str]]:
    servicer, server = Queue(), grpc.server(ThreadPoolExecutor(4))
    add_OperatorServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"127.0.0.1:{port}"
    server.stop(0).wait()


def gate() -> Closure:
    """A workflow of one approval."""
    workflow = WorkflowSpec(name="f.asks")
    workflow.nodes.add(id="g", display_name="door").gate.approval.SetInParent()
    return Closure(entry="f.asks", workflows=[workflow])


def test_a_hundred_parked_gates_stand_beside_ten_running_runs(
    still_cluster: Cluster, queue: tuple[Queue, str], tmp_path: Path
) -> None:
    admin, endpoint = queue
    (tmp_path / "token").write_text("secret\n")
    environ = {
        "LIMOSA_ADMIN_ENDPOINT": endpoint,
        "LIMOSA_ADMIN_TOKEN_FILE": str(tmp_path / "token"),
        "LIMOSA_MAX_RUNS": str(SLOTS),
    }
    gates = {admin.add(f"gate-{number}", gate()) for number in range(100)}
    works = {admin.add(f"work-{number}", chain(1)) for number in range(SLOTS + 1)}
    with running_operator(still_cluster, tmp_path / "operator", environ) as operator:
        wait_for(lambda: admin.parked() >= gates, told=lambda: operator.log)
        wait_for(lambda: len(still_cluster.pods()) == SLOTS, told=lambda: operator.log)
        wait_for(lambda: len(admin.reported.keys() & works) == SLOTS, told=lambda: operator.log)
        # The eleventh waits: those with pods hold all slots, the hundred none.
        assert len(admin.waiting) == 1
        admin.signals = {uid: Signal(node_path="g", approved=True, by="ann") for uid in gates}
        wait_for(lambda: gates <= admin.ended, told=lambda: operator.log)
        assert len(admin.waiting) == 1


def test_a_signal_is_taken_by_a_restarted_operator_too(
    still_cluster: Cluster, queue: tuple[Queue, str], tmp_path: Path
) -> None:
    admin, endpoint = queue
    (tmp_path / "token").write_text("secret\n")
    environ = {"LIMOSA_ADMIN_ENDPOINT": endpoint, "LIMOSA_ADMIN_TOKEN_FILE": str(tmp_path / "token")}
    closure = chain(1)
    node = closure.workflows[0].nodes.add(id="g", display_name="door")
    node.gate.approval.SetInParent()
    uid = admin.add("asks", closure)
    with running_operator(still_cluster, tmp_path / "operator", environ) as operator:
        wait_for(lambda: uid in admin.reported, told=lambda: operator.log)
        operator.kill()
        admin.signals[uid] = Signal(node_path="g", approved=True, by="ann")
        operator.start()
        # The run goes on (its pod never starts); that the gate is over stands in its status, so it is repeated no more.
        wait_for(
            lambda: uid in admin.reported and list(admin.reported[uid].signals_taken) == ["g"],
            told=lambda: operator.log,
        )
        assert admin.repeated > 0
        operator.kill()
        operator.start()
        repeated = admin.repeated
        wait_for(lambda: admin.repeated > repeated, told=lambda: operator.log)
        wait_for(lambda: list(admin.reported[uid].signals_taken) == ["g"], told=lambda: operator.log)
