"""The whole platform in order: what waits for what, when it is ready, and how it ends.

    Postgres ─▶ admin ─┐
    S3 endpoint ───────┼─▶ ready
    cluster + node ─▶ operator ─┘

The cluster and its node live in this process; the rest are children. Whatever a kill left behind is cleared
at the next start, and whatever was accepted is on disk.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from limosa_sandbox.postgres.server import PostgresSettings, make_data, wait_ready
from limosa_sandbox.settings import SandboxSettings
from limosa_sandbox.supervisor import parts
from limosa_sandbox.supervisor.child import Child, ChildSpec
from limosa_sandbox.supervisor.credentials import (
    STORAGE_URL,
    load_credentials,
    write_bootstrap_tokens,
    write_operator_token,
    write_storage_keys,
)
from limosa_sandbox.supervisor.home import Home
from limosa_sandbox.supervisor.logs import cap_log
from limosa_sandbox.supervisor.ports import choose_ports
from limosa_sandbox.supervisor.processes import kill_leftover, started_at
from limosa_sandbox.supervisor.projects import default_projects
from limosa_sandbox.supervisor.readiness import NotReady, wait_http
from limosa_sandbox.supervisor.state import (
    FAILED,
    READY,
    STARTING,
    STOPPED,
    STOPPING,
    PartState,
    SandboxState,
)

if TYPE_CHECKING:
    from limosa_sandbox.cluster.server import ClusterServer
    from limosa_sandbox.cluster.storage import Storage
    from limosa_sandbox.node import NodeHandle

_LOG = logging.getLogger(__name__)
_GUARD_INTERVAL_S = 2.0
# Answers of a running S3 endpoint to a request without a signature.
_STORAGE_READY = (403,)


@dataclass
class _Cluster:
    storage: "Storage"
    node: "NodeHandle"
    server: "ClusterServer"


class Sandbox:
    """One platform on one home directory. Start it, wait, stop it; not to be used twice."""

    def __init__(self, settings: SandboxSettings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._home = Home(settings.home)
        self._children: dict[str, Child] = {}
        self._cluster: _Cluster | None = None
        self.state = SandboxState(
            home=str(settings.home), pid=os.getpid(), pid_started=started_at(os.getpid())
        )

    async def start(self) -> None:
        """Brings every part up and returns when the platform is ready.

        Raises:
            PartFailed, PostgresError, PostgresMissing, OSError: a part did not come up; `stop` must follow.
        """
        began = time.monotonic()
        _LOG.info("starting")
        self._clear_leftovers()
        self._ports = choose_ports(self._home.ports)
        self._projects = default_projects(self._settings.project)
        self._credentials = load_credentials(self._home, list(self._projects))
        self._describe()
        self._step(STARTING, "starting Postgres, the object store and the cluster")
        started = [
            asyncio.ensure_future(part())
            for part in (
                self._start_storage,
                self._start_postgres_and_admin,
                self._start_cluster_and_operator,
            )
        ]
        try:
            await asyncio.gather(*started)
        finally:
            for task in started:
                task.cancel()
            await asyncio.gather(*started, return_exceptions=True)
        self._step(READY, "")
        _LOG.info("ready after %.1f s: %s", time.monotonic() - began, self.state.admin_url)

    def _clear_leftovers(self) -> None:
        """Ends children of a sandbox that was killed; Postgres is looked after by its own start."""
        try:
            kept = json.loads(self._home.state.read_text())
        except (FileNotFoundError, ValueError):
            return
        for name, part in kept.get("parts", {}).items():
            if name != "postgres" and kill_leftover(part.get("pid", 0), part.get("started", 0.0)):
                _LOG.info("killed %s (process %d) that a killed sandbox left behind", name, part["pid"])

    def _describe(self) -> None:
        ports, state = self._ports, self.state
        self._database = PostgresSettings(
            self._home.postgres, ports["postgres"], self._credentials.postgres_password
        )
        state.admin_endpoint = f"127.0.0.1:{ports['admin_grpc']}"
        state.admin_url = f"http://127.0.0.1:{ports['admin_http']}"
        state.admin_token = self._credentials.person_token
        state.kubernetes_url = f"http://127.0.0.1:{ports['kubernetes']}"
        state.kubeconfig = str(self._home.kubeconfig)
        state.storage_url = STORAGE_URL
        state.storage_endpoint = f"http://127.0.0.1:{ports['storage']}"
        state.database_url = self._database.url
        state.namespaces = sorted(self._projects)

    async def _start_storage(self) -> None:
        keys = write_storage_keys(self._home, self._credentials, self._projects)
        child = self._spawn(parts.storage(self._home, self._environ, self._ports["storage"], keys))
        await self._ready(child, self.state.storage_endpoint, _STORAGE_READY)

    async def _start_postgres_and_admin(self) -> None:
        await asyncio.to_thread(make_data, self._database)
        postgres = self._spawn(parts.postgres(self._database, self._home))
        await asyncio.to_thread(wait_ready, self._database, postgres.is_alive, self._settings.start_timeout_s)
        postgres.keep()
        _LOG.info("postgres is ready")
        tokens = write_bootstrap_tokens(self._home, self._credentials)
        admin = self._spawn(
            parts.admin(
                self._home, self._environ, self._ports, self._database.url, tokens, self._credentials.storage
            )
        )
        await self._ready(admin, f"{self.state.admin_url}/readyz")

    async def _start_cluster_and_operator(self) -> None:
        # In a thread, so that the other parts go on meanwhile: the imports take most of a second.
        await asyncio.to_thread(_import_cluster)
        cluster = await self._start_cluster()
        from limosa_sandbox.supervisor.bootstrap import bootstrap, forget_leader

        bootstrap(cluster.storage, self._projects, self._credentials, self.state.storage_endpoint)
        cluster.server.write_kubeconfig(self._home.kubeconfig)
        token = write_operator_token(self._home, self._credentials)
        spec = parts.operator(
            self._home, self._environ, self._ports, token, self._credentials.storage, self._settings
        )
        operator = self._spawn(replace(spec, before_start=lambda: forget_leader(cluster.storage)))
        await self._ready(operator, f"http://127.0.0.1:{self._ports['operator_health']}/readyz")

    async def _start_cluster(self) -> _Cluster:
        from limosa_sandbox.cluster.server import serve
        from limosa_sandbox.cluster.storage import Storage
        from limosa_sandbox.node import NodeSettings, run_node

        settings = self._settings
        storage = Storage(self._home.cluster)
        node = await run_node(
            storage,
            NodeSettings.of_machine(
                self._home.node, cpu=settings.cpus, memory=settings.memory, gpus=settings.gpus
            ),
        )
        server = await serve(
            storage, node.log_reader, port=self._ports["kubernetes"], token=self._credentials.kubernetes_token
        )
        self._cluster = _Cluster(storage, node, server)
        _LOG.info("cluster is ready")
        log = str(self._home.logs / "sandbox.log")
        self.state.parts["cluster"] = PartState(
            os.getpid(), "running", started=self.state.pid_started, log=log
        )
        return self._cluster

    def _spawn(self, spec: ChildSpec) -> Child:
        state = self.state.parts.setdefault(spec.name, PartState())
        child = Child(spec, state, self._save)
        self._children[spec.name] = child
        child.start()
        return child

    async def _ready(self, child: Child, url: str, statuses: tuple[int, ...] = (200,)) -> None:
        try:
            await wait_http(url, child.is_alive, self._settings.start_timeout_s, statuses)
        except NotReady:
            raise child.failure() from None
        child.keep()
        _LOG.info("%s is ready", child.spec.name)
        waiting = sorted(name for name, part in self.state.parts.items() if part.state == STARTING)
        self._step(STARTING, f"waiting for {', '.join(waiting)}" if waiting else "")

    async def guard(self) -> str:
        """Looks after the running platform; returns when it cannot go on, and why."""
        assert self._cluster is not None
        await self._cluster.node.warm()
        while True:
            await asyncio.sleep(_GUARD_INTERVAL_S)
            for path in self._home.logs.glob("*.log"):
                cap_log(path)
            failed = self._cluster.node.failed
            if failed is not None:
                _LOG.error("the node ended", exc_info=failed)
                return f"the node ended: {failed!r}; see {self._home.logs / 'sandbox.log'}"

    async def stop(self, error: str = "") -> None:
        """Stops every part in order: those who write first, what they write to last."""
        self._step(STOPPING, "stopping")
        await asyncio.gather(
            *(self._children[name].stop() for name in ("operator", "admin") if name in self._children)
        )
        if self._cluster:
            await self._cluster.node.close(kill_pods=True)
            await self._cluster.server.close()
            self._cluster.storage.close()
        await asyncio.gather(
            *(self._children[name].stop() for name in ("storage", "postgres") if name in self._children)
        )
        self.state.parts.pop("cluster", None)
        self.state.error = error
        self._step(FAILED if error else STOPPED, "")

    def _step(self, phase: str, step: str) -> None:
        self.state.phase, self.state.step = phase, step
        self._save()

    def _save(self) -> None:
        self.state.save(self._home.state)


def _import_cluster() -> None:
    import limosa_sandbox.cluster.server
    import limosa_sandbox.node
    import limosa_sandbox.supervisor.bootstrap  # noqa: F401
