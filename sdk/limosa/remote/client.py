"""Admin's calls, one method each."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import grpc

from limosa.remote.connection import Connection, backoff
from limosa.remote.endpoint import Target
from limosa.remote.errors import RemoteError, is_transient
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc as stubs
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1.workflow_pb2 import LaunchPlanSpec
from limosa_model.names import mistyped_run

PATIENCE_S = 120.0
"""Seconds a watch tries to reach a server that was there before."""
_PAGE = 100
_TERMINAL = {run_pb2.RUN_PHASE_SUCCEEDED, run_pb2.RUN_PHASE_FAILED, run_pb2.RUN_PHASE_ABORTED}


class Client:
    """One project-domain of one server. Every method raises RemoteError where the server or the network refuses."""

    def __init__(self, target: Target) -> None:
        """Connects at the first call."""
        self.target = target
        self.connection = Connection(target)
        channel = self.connection.channel
        self._server = stubs.ServerServiceStub(channel)
        self._registry = stubs.RegistryServiceStub(channel)
        self._runs = stubs.RunServiceStub(channel)
        self._transfers = stubs.TransferServiceStub(channel)
        self._cache = stubs.CacheServiceStub(channel)
        self._clusters = stubs.ClusterServiceStub(channel)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self.connection.close()

    def info(self) -> pb.GetInfoResponse:
        """What the server is, and who we are to it."""
        return self.connection.call(self._server.GetInfo, pb.GetInfoRequest())

    def register(
        self,
        version: str,
        closures: Sequence[bytes] = (),
        tasks: Sequence[bytes] = (),
        launch_plans: Sequence[LaunchPlanSpec] = (),
    ) -> pb.RegisterResponse:
        """Registers serialised specs under one version, all or nothing."""
        request = pb.RegisterRequest(
            project=self.target.project,
            domain=self.target.domain,
            version=version,
            closures=closures,
            tasks=tasks,
            launch_plans=launch_plans,
        )
        return self.connection.call(self._registry.Register, request)

    def get_entity(self, kind: "pb.EntityKind.ValueType", name: str, version: str = "") -> pb.Entity:
        """A task, workflow or launch plan; the newest version unless one is named."""
        request = pb.GetEntityRequest(id=self.entity_id(kind, name, version))
        return self.connection.call(self._registry.GetEntity, request)

    def entity_id(self, kind: "pb.EntityKind.ValueType", name: str, version: str = "") -> pb.EntityId:
        """The id of an entity of the target's project-domain."""
        target = self.target
        return pb.EntityId(
            kind=kind, project=target.project, domain=target.domain, name=name, version=version
        )

    def list_entities(self, kind: "pb.EntityKind.ValueType", name: str = "") -> Iterator[pb.Entity]:
        """Entities of a kind, newest first, without their specs."""
        request = pb.ListEntitiesRequest(
            kind=kind, project=self.target.project, domain=self.target.domain, name=name, limit=_PAGE
        )
        while True:
            page = self.connection.call(self._registry.ListEntities, request)
            yield from page.entities
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def create_run(
        self,
        name: str,
        entity: pb.EntityId,
        inputs: LiteralMap,
        *,
        annotations: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        cache_mode: "run_pb2.CacheMode.ValueType" = run_pb2.CACHE_MODE_UNSPECIFIED,
        priority: int = 0,
        max_parallelism: int = 0,
    ) -> pb.Run:
        """Starts a run; the same call again gives the same run.

        Args:
            name: Of the run.
            entity: What to run.
            inputs: Its inputs.
            annotations: Of the run and its pods.
            labels: Likewise.
            cache_mode: What it does with cached results.
            priority: Greater ones of a project-domain are claimed first.
            max_parallelism: Most node items launched at once; 0: as the platform allows.

        Raises:
            RemoteError: It was refused; or nobody answered any more, and then the run may have been made.
        """
        request = pb.CreateRunRequest(
            project=self.target.project,
            domain=self.target.domain,
            name=name,
            target=entity,
            inputs=inputs,
            annotations=annotations,
            labels=labels,
            cache_mode=cache_mode,
            priority=priority,
            max_parallelism=max_parallelism,
        )
        try:
            return self.connection.call(self._runs.CreateRun, request)
        except RemoteError as error:
            if error.code in (RemoteError.UNREACHABLE, RemoteError.TIMEOUT):
                error.remedy = f"whether run {name} was made is not known: `limosa get run {name}` tells once admin answers"
            raise

    def list_cache(self, task: str = "") -> Iterator[pb.CacheEntry]:
        """Cached results, newest first; of one task where it is named."""
        request = pb.ListCacheRequest(
            project=self.target.project, domain=self.target.domain, task=task, limit=_PAGE
        )
        while True:
            page = self.connection.call(self._cache.ListCache, request)
            yield from page.entries
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def invalidate_cache(self, task: str = "", cache_version: str = "", key: str = "") -> int:
        """Forgets the cached results that match all that is given; says how many there were."""
        request = pb.InvalidateCacheRequest(
            project=self.target.project,
            domain=self.target.domain,
            task=task,
            cache_version=cache_version,
            key=key,
        )
        return self.connection.call(self._cache.InvalidateCache, request).invalidated

    def list_clusters(self) -> list[pb.Cluster]:
        """Every cluster that ever asked for work, by name."""
        return list(self.connection.call(self._clusters.ListClusters, pb.ListClustersRequest()).clusters)

    def lose_cluster(self, name: str, *, force: bool = False) -> int:
        """Lets other clusters take the runs of one that will not come back; says how many. `force`: also one in contact."""
        request = pb.LoseClusterRequest(name=name, force=force)
        return self.connection.call(self._clusters.LoseCluster, request).released_runs

    def get_run(self, name: str) -> pb.RunDetail:
        """A run with its graph and latest snapshots."""
        with self._naming(name):
            return self.connection.call(self._runs.GetRun, pb.GetRunRequest(id=self.run_id(name)))

    def has_run(self, name: str) -> bool:
        """Whether there is a run of this name."""
        try:
            self.connection.call(self._runs.GetRun, pb.GetRunRequest(id=self.run_id(name)))
        except RemoteError as error:
            if error.code == RemoteError.NOT_FOUND:
                return False
            raise
        return True

    def list_runs(
        self, *, phases: Iterable["run_pb2.RunPhase.ValueType"] = (), target: str = ""
    ) -> Iterator[pb.Run]:
        """Runs, newest first."""
        request = pb.ListRunsRequest(
            project=self.target.project, domain=self.target.domain, phases=phases, target=target, limit=_PAGE
        )
        while True:
            page = self.connection.call(self._runs.ListRuns, request)
            yield from page.runs
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def abort_run(self, name: str, reason: str) -> pb.Run:
        """Asks for a run's end."""
        request = pb.AbortRunRequest(id=self.run_id(name), reason=reason)
        with self._naming(name):
            return self.connection.call(self._runs.AbortRun, request)

    def signal_run(self, name: str, signal: run_pb2.Signal) -> run_pb2.Signal | None:
        """Tells a gate of a run something; gives what the same caller told it before, where that is the same."""
        request = pb.SignalRunRequest(id=self.run_id(name), signal=signal)
        with self._naming(name):
            answer: pb.SignalRunResponse = self.connection.call(self._runs.SignalRun, request)
        return answer.earlier if answer.HasField("earlier") else None

    def resume_run(
        self,
        run: str,
        name: str,
        *,
        version: str,
        from_nodes: Sequence[str],
        dry_run: bool,
        annotations: Mapping[str, str],
    ) -> pb.ResumeRunResponse:
        """Starts a run under a name that goes on from one that has ended; or, of a dry run, only says what it would reuse.

        Args:
            run: To go on from.
            name: Of the new run.
            version: Of its target; empty for the old run's.
            from_nodes: Paths of nodes that run again, with all that depends on them.
            dry_run: Start nothing.
            annotations: Beside the old run's.
        """
        request = pb.ResumeRunRequest(
            id=self.run_id(run),
            name=name,
            version=version,
            from_nodes=from_nodes,
            dry_run=dry_run,
            annotations=annotations,
        )
        with self._naming(run):
            return self.connection.call(self._runs.ResumeRun, request)

    def delete_run(self, name: str) -> None:
        """Deletes a finished run with everything it left."""
        with self._naming(name):
            self.connection.call(self._runs.DeleteRun, pb.DeleteRunRequest(id=self.run_id(name)))

    def run_data(self, name: str, node_path: str = "", index: int | None = None) -> pb.GetRunDataResponse:
        """Inputs and outputs of a run or of one of its node items."""
        request = pb.GetRunDataRequest(id=self.run_id(name), node_path=node_path, index=index)
        with self._naming(name):
            return self.connection.call(self._runs.GetRunData, request)

    def watch_run(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_trouble: Callable[[RemoteError], None] = lambda error: None,
    ) -> Iterator[pb.RunUpdate]:
        """Updates of a run until it is terminal, across lost connections.

        Args:
            name: The run's.
            timeout: Seconds after which RemoteError(TIMEOUT) is raised; None waits for ever.
            on_trouble: Called when the connection was lost and is sought again.
        """
        request = pb.WatchRunRequest(id=self.run_id(name))
        deadline = None if timeout is None else time.monotonic() + timeout
        answered: float | None = None
        pauses = backoff()
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.001)
            try:
                for update in self.connection.stream(self._runs.WatchRun, request, left):
                    yield update
                    answered, pauses = time.monotonic(), backoff()
                    if update.run.state.phase in _TERMINAL:
                        return
            except grpc.RpcError as error:
                made = self.connection.error(error)
                lost_for = float("inf") if answered is None else time.monotonic() - answered
                if not isinstance(made, RemoteError) or not is_transient(error) or lost_for > PATIENCE_S:
                    if answered is None:
                        self._suggest_run(made, name)
                    raise made from error
                on_trouble(made)
            pause = next(pauses)
            time.sleep(pause if deadline is None else min(pause, max(deadline - time.monotonic(), 0)))

    def logs(
        self,
        name: str,
        *,
        node_path: str = "",
        index: int | None = None,
        launch: int | None = None,
        follow: bool = False,
        tail_lines: int = 0,
    ) -> Iterator[pb.LogChunk]:
        """What node items printed; all nodes where `node_path` is empty, all lines where `tail_lines` is 0."""
        request = pb.TailLogsRequest(
            id=self.run_id(name),
            node_path=node_path,
            index=index,
            launch=launch,
            follow=follow,
            tail_lines=tail_lines,
        )
        try:
            yield from self.connection.stream(self._runs.TailLogs, request, None)
        except grpc.RpcError as error:
            made = self.connection.error(error)
            self._suggest_run(made, name)
            raise made from error

    def sign_bundle_upload(self, digest: str, size: int) -> pb.SignedTransfer:
        """Where a code bundle of that digest goes."""
        target = self.target
        request = pb.SignUploadRequest(
            project=target.project, domain=target.domain, code_bundle=digest, size=size
        )
        return self.connection.call(self._transfers.SignUpload, request)

    def sign_wheel_upload(self, digest: str, size: int) -> pb.SignedTransfer:
        """Where a wheel of that digest goes; a size of 0 only asks whether it is there."""
        target = self.target
        request = pb.SignUploadRequest(
            project=target.project, domain=target.domain, package_wheel=digest, size=size
        )
        return self.connection.call(self._transfers.SignUpload, request)

    def sign_package_lock_upload(self, digest: str, size: int) -> pb.SignedTransfer:
        """Where a lock of packages of that digest goes."""
        target = self.target
        request = pb.SignUploadRequest(
            project=target.project, domain=target.domain, package_lock=digest, size=size
        )
        return self.connection.call(self._transfers.SignUpload, request)

    def sign_upload(self, digest: str, name: str, size: int) -> pb.SignedTransfer:
        """Where a file with that content digest and name goes."""
        target = self.target
        upload = pb.UploadName(digest=digest, name=name)
        request = pb.SignUploadRequest(project=target.project, domain=target.domain, upload=upload, size=size)
        return self.connection.call(self._transfers.SignUpload, request)

    def sign_download(self, uri: str) -> pb.SignedTransfer:
        """Where an object can be had."""
        return self.connection.call(self._transfers.SignDownload, pb.SignDownloadRequest(uri=uri))

    def list_objects(self, uri: str) -> Iterator[pb.ListObjectsResponse.Object]:
        """The objects below a prefix."""
        request = pb.ListObjectsRequest(uri=uri)
        while True:
            page = self.connection.call(self._transfers.ListObjects, request)
            yield from page.objects
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    @contextlib.contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        try:
            yield
        except RemoteError as error:
            self._suggest_run(error, name)
            raise

    def _suggest_run(self, error: Exception, name: str) -> None:
        """Adds the nearest of the newest runs to the error of one that is not there."""
        if not isinstance(error, RemoteError) or error.code != RemoteError.NOT_FOUND or error.remedy:
            return
        try:
            known = [run.name for run in itertools.islice(self.list_runs(), _PAGE)]
        except RemoteError:
            return  # the first error says enough
        close = mistyped_run(name, known)
        if name not in known:
            error.known_runs = known
            error.remedy = f"did you mean '{close}'?" if close else "limosa get runs lists them"

    def run_id(self, name: str) -> pb.RunId:
        """The id of a run of the target's project-domain."""
        return pb.RunId(project=self.target.project, domain=self.target.domain, name=name)
