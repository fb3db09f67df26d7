"""The operator and an admin that says what each test wants."""

import base64
import http.server
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from propeller_rig import (
    RUNS_PATH,
    Cluster,
    Operator,
    chain,
    fan_out,
    local_run,
    numbers,
    running_operator,
    wait_for,
)

from limosa_idl.admin.v1alpha1.admin_pb2 import (
    DESIRED_ABORT,
    DESIRED_FORGET,
    DESIRED_RUN,
    DesiredRun,
    PublishRequest,
    PublishResponse,
    SyncRequest,
    SyncResponse,
)
from limosa_idl.admin.v1alpha1.admin_pb2_grpc import (
    OperatorServiceServicer,
    add_OperatorServiceServicer_to_server,
)
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import (
    RUN_PHASE_ABORTED,
    RUN_PHASE_QUEUED,
    RUN_PHASE_RUNNING,
    RUN_PHASE_SUCCEEDED,
    Epoch,
    RunSpec,
    RunState,
)
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model.digests import serialize, sha256_hex
from limosa_model.values import integer


class Admin(OperatorServiceServicer):
    """Wants what `wanted` says; remembers what it was told."""

    def __init__(self) -> None:
        self.wanted: dict[str, DesiredRun] = {}
        self.stale: set[str] = set()
        self.untakable: set[str] = set()
        self.reports: list[SyncRequest] = []
        self.published: list[PublishRequest] = []
        self.tokens: set[str] = set()
        self._lock = threading.Lock()

    def want(
        self, name: str, closure: Closure, inputs: dict, desired: int = DESIRED_RUN, number: int = 1
    ) -> str:
        data = serialize(closure)
        annotations = local_run(name, closure, {})["spec"]["annotations"]
        spec = RunSpec(
            run_uid=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
            name=name,
            project="demo",
            domain="development",
            closure=data,
            closure_digest=sha256_hex(data),
            annotations=annotations,
        )
        for key, value in inputs.items():
            spec.inputs.literals[key].CopyFrom(value)
        epoch = Epoch(generation=1, number=number)
        self.wanted[spec.run_uid] = DesiredRun(run_uid=spec.run_uid, epoch=epoch, desired=desired, spec=spec)
        return spec.run_uid

    def Sync(self, request: SyncRequest, context: grpc.ServicerContext) -> SyncResponse:
        with self._lock:
            self.tokens.update(v for k, v in context.invocation_metadata() if k == "authorization")
            self.reports.append(request)
        threading.Event().wait(0.05)
        reported = {(run.run_uid, run.epoch.number) for run in request.runs}
        unnumbered = {run.run_uid for run in request.runs if run.wants_number}
        answer = SyncResponse()
        for run in request.runs:
            if run.run_uid not in self.wanted and run.run_uid not in self.stale:
                answer.runs.add(run_uid=run.run_uid, epoch=run.epoch, desired=DESIRED_FORGET)
        for wish in list(self.wanted.values()):
            copy = answer.runs.add()
            copy.CopyFrom(wish)
            if (wish.run_uid, wish.epoch.number) in reported:
                copy.ClearField("spec")
            if copy.HasField("spec") or wish.run_uid in unnumbered:
                copy.number = self.greatest_number(wish)
        return answer

    def Publish(self, request: PublishRequest, context: grpc.ServicerContext) -> PublishResponse:
        if self.untakable & {snapshot.key.run_uid for snapshot in request.snapshots}:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a snapshot that nobody can take")
        with self._lock:
            self.published.append(request)
        return PublishResponse(stale_run_uids=sorted(self.stale))

    def greatest_number(self, wish: DesiredRun) -> int:
        told = (snapshot for request in list(self.published) for snapshot in request.snapshots)
        ours = (s.seq for s in told if (s.key.run_uid, s.epoch) == (wish.run_uid, wish.epoch))
        return max(ours, default=0)

    def state_of(self, run_uid: str) -> RunState | None:
        latest, seq = None, (0, 0)
        for request in list(self.published):
            for snapshot in request.snapshots:
                version = (snapshot.epoch.number, snapshot.seq)
                if (
                    snapshot.key.run_uid == run_uid
                    and snapshot.WhichOneof("state") == "run"
                    and version > seq
                ):
                    latest, seq = snapshot.run, version
        return latest

    def phase_of(self, run_uid: str) -> int:
        state = self.state_of(run_uid)
        return state.phase if state is not None else 0


@pytest.fixture
def admin() -> Iterator[tuple[Admin, str]]:
    servicer, server = Admin(), grpc.server(ThreadPoolExecutor(4))
    add_OperatorServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"127.0.0.1:{port}"
    server.stop(0).wait()


@pytest.fixture
def linked(
    still_cluster: Cluster, admin: tuple[Admin, str], tmp_path: Path
) -> Iterator[tuple[Admin, Cluster, Operator]]:
    """On a cluster where pods stay pending."""
    with running_operator(still_cluster, tmp_path / "operator", environment(admin[1], tmp_path)) as operator:
        yield admin[0], still_cluster, operator


def environment(endpoint: str, folder: Path) -> dict[str, str]:
    (folder / "token").write_text("secret\n")
    return {"LIMOSA_ADMIN_ENDPOINT": endpoint, "LIMOSA_ADMIN_TOKEN_FILE": str(folder / "token")}


def exists(cluster: Cluster, name: str) -> bool:
    return cluster.try_call("GET", f"{RUNS_PATH}/{name}") == 200


def run_uid(cluster: Cluster, name: str) -> str | None:
    """None between the deletion of one object and the creation of the next."""
    runs = cluster.call("GET", RUNS_PATH)["items"]
    return next((run["metadata"]["uid"] for run in runs if run["metadata"]["name"] == name), None)


class Collector(http.server.ThreadingHTTPServer):
    """Takes traces by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.spans: list[Span] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1/traces"


class _Receive(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for found in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.spans += [span for scope in found.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_claimed_run_is_made_driven_told_traced_and_forgotten(
    cluster: Cluster, admin: tuple[Admin, str], collector: Collector, tmp_path: Path
) -> None:
    environ = {**environment(admin[1], tmp_path), "LIMOSA_TRACES_ENDPOINT": collector.url}
    with running_operator(cluster, tmp_path / "operator", environ) as operator:
        uid = admin[0].want("claimed", chain(3), {"x": integer(1)})
        wait_for(lambda: admin[0].phase_of(uid) == RUN_PHASE_SUCCEEDED, told=lambda: operator.log)
        state = admin[0].state_of(uid)
        assert state is not None
        assert state.outputs.literals["o0"] == integer(42)
        assert (state.nodes_done, state.nodes_total) == (3, 3)
        assert admin[0].tokens == {"Bearer secret"}
        cluster_uid = cluster.call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
        assert {r.cluster_uid for r in (*admin[0].reports, *admin[0].published)} == {cluster_uid}
        admin[0].wanted[uid].desired = DESIRED_FORGET
        wait_for(lambda: not exists(cluster, "claimed"), told=lambda: operator.log)
        assert operator.stop() == 0, operator.log
    run = next(span for span in collector.spans if span.name == "run")
    nodes = {span.span_id for span in collector.spans if span.parent_span_id == run.span_id}
    launches = {span.parent_span_id for span in collector.spans if span.name == "launch 0"}
    assert len(nodes) == 3
    assert launches == nodes
    assert {span.trace_id for span in collector.spans} == {run.trace_id}


def test_abort_reaches_the_pods(linked: tuple[Admin, Cluster, Operator]) -> None:
    admin, cluster, operator = linked
    uid = admin.want("stopped", fan_out(), {"xs": numbers(4)})
    wait_for(lambda: len(cluster.pods()) == 4, told=lambda: operator.log)
    admin.wanted[uid].desired, admin.wanted[uid].abort_reason = DESIRED_ABORT, "enough"
    wait_for(lambda: admin.phase_of(uid) == RUN_PHASE_ABORTED, told=lambda: operator.log)
    state = admin.state_of(uid)
    assert state is not None
    assert state.reason.detail == "enough"
    wait_for(lambda: not cluster.pods())


def test_a_stale_claim_is_given_up_with_its_pods(linked: tuple[Admin, Cluster, Operator]) -> None:
    admin, cluster, operator = linked
    uid = admin.want("stale", fan_out(), {"xs": numbers(2)})
    admin.stale.add(uid)
    wait_for(lambda: exists(cluster, "stale"), told=lambda: operator.log)
    del admin.wanted[uid]
    wait_for(lambda: not exists(cluster, "stale"), told=lambda: operator.log)
    wait_for(lambda: not cluster.pods(), told=lambda: operator.log)


def test_a_newer_claim_replaces_the_older(linked: tuple[Admin, Cluster, Operator]) -> None:
    admin, cluster, operator = linked
    uid = admin.want("again", chain(1), {"x": integer(1)})
    wait_for(cluster.pods, told=lambda: operator.log)
    first = cluster.run("again")["metadata"]["uid"]
    admin.wanted[uid].epoch.number = 2
    wait_for(lambda: run_uid(cluster, "again") not in (None, first))
    assert cluster.run("again")["spec"]["epoch"] == {"generation": 1, "number": 2}
    wait_for(lambda: [p["metadata"]["annotations"]["limosa.dev/epoch"] for p in cluster.pods()] == ["1.2"])


def test_an_object_deleted_by_hand_comes_back(linked: tuple[Admin, Cluster, Operator]) -> None:
    admin, cluster, operator = linked
    admin.want("wanted", chain(1), {"x": integer(1)})
    wait_for(cluster.pods, told=lambda: operator.log)
    first = cluster.run("wanted")["metadata"]["uid"]
    cluster.call("DELETE", f"{RUNS_PATH}/wanted")
    wait_for(lambda: exists(cluster, "wanted") and cluster.run("wanted")["metadata"]["uid"] != first)
    wait_for(cluster.pods, told=lambda: operator.log)


def test_a_name_taken_by_hand_is_told_and_left_alone(linked: tuple[Admin, Cluster, Operator]) -> None:
    admin, cluster, operator = linked
    cluster.call("POST", RUNS_PATH, local_run("mine", chain(1), {"x": integer(1)}))
    uid = admin.want("mine", chain(2), {"x": integer(1)})
    wait_for(lambda: admin.phase_of(uid) == RUN_PHASE_QUEUED, told=lambda: operator.log)
    state = admin.state_of(uid)
    assert state is not None
    assert state.reason.code == "NameTaken"
    cluster.call("DELETE", f"{RUNS_PATH}/mine")
    wait_for(lambda: exists(cluster, "mine") and cluster.run("mine")["spec"].get("uid") == uid)


def copy_of(cluster: Cluster, name: str, copied: str, **changes: Any) -> dict[str, Any]:
    """What `kubectl get -o yaml | kubectl apply -f -` makes of an object, renamed and edited."""
    found = cluster.run(name)
    metadata = {"name": copied, "namespace": found["metadata"]["namespace"]}
    return {**found, "metadata": metadata, "spec": {**found["spec"], **changes}, "status": None}


def other_inputs() -> str:
    return base64.b64encode(serialize(LiteralMap(literals={"x": integer(100)}))).decode()


def refusal(cluster: Cluster, name: str) -> str:
    """Why an object was refused; empty while it is not."""
    status = cluster.run(name).get("status") or {}
    return status["message"] if status.get("reason") == "ForeignRun" and status["phase"] == "FAILED" else ""


def test_a_copy_of_a_runs_object_starts_nothing_and_leaves_the_run_alone(
    linked: tuple[Admin, Cluster, Operator],
) -> None:
    admin, cluster, operator = linked
    uid = admin.want("copied", chain(1), {"x": integer(1)})
    wait_for(cluster.pods, told=lambda: operator.log)
    first = cluster.run("copied")["metadata"]["uid"]
    cluster.call("POST", RUNS_PATH, copy_of(cluster, "copied", "twin", inputs=other_inputs()))
    wait_for(lambda: refusal(cluster, "twin"), told=lambda: operator.log)
    owners = {pod["metadata"]["ownerReferences"][0]["name"] for pod in cluster.pods()}
    assert (owners, run_uid(cluster, "copied")) == ({"copied"}, first)
    # Once the run is over, and after a restart, the copy is what it was, and admin hears nothing of it.
    operator.stop()
    del admin.wanted[uid]
    operator.start()
    wait_for(lambda: not exists(cluster, "copied"), told=lambda: operator.log)
    cluster.call("POST", RUNS_PATH, copy_of(cluster, "twin", "late"))
    assert "is not one of this cluster's" in wait_for(lambda: refusal(cluster, "late"))
    assert refusal(cluster, "twin")
    assert cluster.pods() == []
    assert admin.phase_of(uid) in (0, RUN_PHASE_QUEUED, RUN_PHASE_RUNNING)


def test_a_runs_object_replaced_by_another_is_told_and_comes_back(
    linked: tuple[Admin, Cluster, Operator],
) -> None:
    admin, cluster, operator = linked
    uid = admin.want("replaced", chain(1), {"x": integer(1)})
    wait_for(cluster.pods, told=lambda: operator.log)
    operator.stop()
    other = copy_of(cluster, "replaced", "replaced", inputs=other_inputs())
    cluster.call("DELETE", f"{RUNS_PATH}/replaced")
    wait_for(lambda: not exists(cluster, "replaced"))
    cluster.call("POST", RUNS_PATH, other)
    operator.start()
    assert "other inputs" in wait_for(lambda: refusal(cluster, "replaced"), told=lambda: operator.log)
    wait_for(lambda: (state := admin.state_of(uid)) and state.reason.code == "NameTaken")
    cluster.call("DELETE", f"{RUNS_PATH}/replaced")
    wait_for(lambda: run_uid(cluster, "replaced") and not refusal(cluster, "replaced"))
    wait_for(cluster.pods, told=lambda: operator.log)


def test_an_object_that_no_operator_has_begun_with_is_admins_when_it_is_what_admin_sent(
    linked: tuple[Admin, Cluster, Operator],
) -> None:
    """As after a death between making the object and its first status; and as of an object that was put back."""
    admin, cluster, operator = linked
    admin.want("again", chain(1), {"x": integer(1)})
    wait_for(cluster.pods, told=lambda: operator.log)
    operator.stop()
    same = copy_of(cluster, "again", "again")
    cluster.call("DELETE", f"{RUNS_PATH}/again")
    wait_for(lambda: not cluster.pods())
    cluster.call("POST", RUNS_PATH, same)
    first = run_uid(cluster, "again")
    operator.start()
    wait_for(cluster.pods, told=lambda: operator.log)
    assert run_uid(cluster, "again") == first


def test_a_uid_that_is_none_is_refused_by_the_api_server(still_cluster: Cluster) -> None:
    run = local_run("odd", chain(1), {"x": integer(1)})
    run["spec"]["uid"] = "../../x"
    assert still_cluster.try_call("POST", RUNS_PATH, run) == 422


def test_a_snapshot_that_admin_cannot_take_holds_up_no_other(
    cluster: Cluster, admin: tuple[Admin, str], tmp_path: Path
) -> None:
    with running_operator(cluster, tmp_path / "operator", environment(admin[1], tmp_path)) as operator:
        admin[0].untakable.add(admin[0].want("poison", fan_out(), {"xs": numbers(30)}))
        uid = admin[0].want("sound", chain(20), {"x": integer(1)})
        wait_for(lambda: admin[0].phase_of(uid) == RUN_PHASE_SUCCEEDED, told=lambda: operator.log)
        assert "it is dropped" in operator.log


def test_runs_go_on_and_ends_are_told_when_admin_returns(cluster: Cluster, tmp_path: Path) -> None:
    servicer, server = Admin(), grpc.server(ThreadPoolExecutor(4))
    add_OperatorServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with running_operator(
        cluster, tmp_path / "operator", environment(f"127.0.0.1:{port}", tmp_path)
    ) as operator:
        uid = servicer.want("alone", chain(300), {"x": integer(1)})
        wait_for(lambda: exists(cluster, "alone"), told=lambda: operator.log)
        server.stop(0).wait()
        wait_for(lambda: (cluster.run("alone").get("status") or {}).get("phase") == "SUCCEEDED")
        returned = grpc.server(ThreadPoolExecutor(4))
        add_OperatorServiceServicer_to_server(servicer, returned)
        assert returned.add_insecure_port(f"127.0.0.1:{port}") == port
        returned.start()
        wait_for(lambda: servicer.phase_of(uid) == RUN_PHASE_SUCCEEDED, told=lambda: operator.log)
        returned.stop(0).wait()
