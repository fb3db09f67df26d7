"""What becomes known of one run: to admin by snapshots, to people by Kubernetes Events, to Prometheus by counts."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from limosa_engine.phases import LAUNCH_TERMINAL, NODE_TERMINAL, LaunchPhase, NodePhase, RunPhase
from limosa_engine.snapshots import run_snapshot
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER, Failure
from limosa_idl.run.v1alpha1.run_pb2 import Reason, RunState, Snapshot, SnapshotKey
from limosa_propeller.clock import RunClock
from limosa_propeller.kube.verbs import Object
from limosa_propeller.runs.claims import Claim
from limosa_propeller.runs.notices import (
    notice_of,
    post,
    run_deleted,
    spec_ignored,
    strange_pod,
    time_not_believed,
)
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.services import Services
from limosa_propeller.runs.status import nodes_told

logger = logging.getLogger(__name__)

MOST_FAILURES = 100
"""Failed launches of a run that are logged by an operator one by one."""


class Announcements:
    """Tells of one run; `begin` starts what takes its time."""

    def __init__(
        self, services: Services, clock: RunClock, begin: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._services, self._clock, self._begin = services, clock, begin
        self._since = clock.now()
        self._failures_told = 0

    def publish(self, snapshot: Snapshot) -> None:
        """Tells admin, or whoever takes its place, of a snapshot that has its epoch."""
        self._services.snapshots.put(snapshot)

    def count(self, snapshot: Snapshot, log: dict[str, str]) -> None:
        """Counts what a snapshot of the engine says has ended, and logs a launch that failed; `log` names the run."""
        if snapshot.WhichOneof("state") == "launch":
            if LaunchPhase(snapshot.launch.phase) in LAUNCH_TERMINAL:
                self._services.metrics.launch_ended(snapshot.launch)
                self._log_failure(snapshot, log)
        elif snapshot.WhichOneof("state") == "node" and not snapshot.key.HasField("index"):
            # What ended before was counted by whoever drove the run then.
            node, new = snapshot.node, snapshot.node.finished_at.ToNanoseconds() / 1e9 >= self._since
            if new and NodePhase(node.phase) in NODE_TERMINAL:
                self._services.metrics.node_ended(node)

    def _log_failure(self, snapshot: Snapshot, log: dict[str, str]) -> None:
        key, launch = snapshot.key, snapshot.launch
        if not launch.failure.code or self._failures_told > MOST_FAILURES:
            return
        self._failures_told += 1
        if self._failures_told > MOST_FAILURES:
            logger.warning("more launches of the run fail; they are not logged", extra=log)
            return
        extra: dict[str, object] = {**log, "node": key.node_path, "launch": key.launch, "pod": launch.pod}
        if key.HasField("index"):
            extra["index"] = key.index
        extra |= {"launch_id": launch.launch_id, "code": launch.failure.code}
        extra |= {"kind": "USER" if launch.failure.kind == FAILURE_KIND_USER else "SYSTEM"}
        logger.warning("launch failed", extra={**extra, "retryable": launch.failure.retryable})

    def publish_end(self, claim: Claim, state: RunState) -> None:
        """Tells admin of an end that is not the engine's."""
        self.publish(Snapshot(key=SnapshotKey(run_uid=claim.run_uid), epoch=claim.to_epoch(), run=state))

    def object_held(self, claim: Claim, run: OpenedRun, why: str) -> None:
        """Tells admin that somebody keeps the object of the run from being deleted."""
        told = run_snapshot(claim.run_uid, run.state)
        told.epoch.CopyFrom(claim.to_epoch())
        told.run.reason.CopyFrom(Reason(code="ObjectHeld", detail=why))
        told.run.reason.since.FromNanoseconds(int(self._clock.now() * 1e9))
        self.publish(told)

    def phase(
        self, metadata: Object, run: OpenedRun | None, phase: RunPhase, failure: Failure | None
    ) -> None:
        """Tells people of a phase that is a new one."""
        message = "" if run is None else f"{nodes_told(run.state)} nodes"
        self._tell(notice_of(metadata, phase, message, failure, self._clock.now()))

    def spec_ignored(self, metadata: Object, local: bool) -> None:
        """Tells people that an edit came after the run's end."""
        self._tell(spec_ignored(metadata, local, self._clock.now()))

    def time_not_believed(self, metadata: Object) -> None:
        """Tells people that a run's status was written at a time that cannot be."""
        self._tell(time_not_believed(metadata, self._clock.now()))

    def strange_pod(self, metadata: Object, pod: str) -> None:
        """Tells people of a pod that says it is a launch of the run and is not."""
        self._tell(strange_pod(metadata, pod, self._clock.now()))

    def deleted(self, metadata: Object, run: OpenedRun) -> None:
        """Tells people how far a run was whose object went."""
        told, prefix = nodes_told(run.state), run.factory.prefix
        self._tell(run_deleted(metadata, told, prefix, self._clock.now()))

    def count_end(self, phase: RunPhase, started_at: float | None) -> None:
        """Counts the run's end; `started_at` in Unix seconds, None where the run never began."""
        seconds = None if started_at is None else self._clock.now() - started_at
        self._services.metrics.run_ended(phase, seconds)

    def _tell(self, notice: Object | None) -> None:
        if notice is not None:
            self._begin(self._post(notice))

    async def _post(self, notice: Object) -> None:
        async with self._services.notice_turns:
            await post(self._services.verbs, notice)
