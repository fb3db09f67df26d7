"""OpenTelemetry traces, where an endpoint for them is given: what has ended of a run is a span.

One trace a run: the run, its nodes, the items of its maps, their launches. Ids come from the run's uid and the place,
so that an operator that goes on where another stopped continues the same trace, and a span sent twice is one span.
"""

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1.run_pb2 import (
    LAUNCH_PHASE_ABORTED,
    NODE_PHASE_ABORTED,
    RUN_PHASE_ABORTED,
    LaunchPhase,
    LaunchState,
    NodePhase,
    NodeState,
    RunPhase,
    RunState,
    Snapshot,
    SnapshotKey,
)
from limosa_propeller.metrics import Metrics
from limosa_propeller.runs.services import SnapshotSink

logger = logging.getLogger(__name__)

QUEUE = 8192
"""Spans that wait to be sent; what is more is dropped, and the exporter's log says so."""
_SCOPE = InstrumentationScope("limosa_propeller")
_WORDS: dict[str, Any] = {"run": RunPhase, "node": NodePhase, "launch": LaunchPhase}
_ABORTED = {"run": RUN_PHASE_ABORTED, "node": NODE_PHASE_ABORTED, "launch": LAUNCH_PHASE_ABORTED}


class Traces:
    """Sends spans from a thread of its own; whoever ends one never waits."""

    def __init__(self, endpoint: str, cluster: str, metrics: Metrics) -> None:
        """Opens no connection yet.

        Args:
            endpoint: OTLP over HTTP, with its path ("http://collector:4318/v1/traces").
            cluster: Name of this cluster, for people.
            metrics: Counts what was sent and what was lost.
        """
        exporter = _Counted(OTLPSpanExporter(endpoint=endpoint), metrics)
        self._spans = BatchSpanProcessor(exporter, max_queue_size=QUEUE)
        self._resource = Resource.create({"service.name": "limosa", "k8s.cluster.name": cluster})

    def of(self, sink: SnapshotSink) -> "TracedSnapshots":
        """What passes snapshots on to a sink and takes spans from them."""
        return TracedSnapshots(sink, self)

    def take(self, snapshot: Snapshot) -> None:
        """Queues the span of what a snapshot says has ended; nothing for what goes on, or never began."""
        span = span_of(snapshot, self._resource)
        if span is not None:
            self._spans.on_end(span)

    def close(self) -> None:
        """Sends what is queued, for a few seconds at most."""
        self._spans.force_flush(5_000)
        self._spans.shutdown()  # type: ignore[no-untyped-call]


class TracedSnapshots:
    """See `Traces.of`."""

    def __init__(self, sink: SnapshotSink, traces: Traces) -> None:
        self._sink, self._traces = sink, traces

    def put(self, snapshot: Snapshot) -> None:
        """See `SnapshotSink`."""
        self._traces.take(snapshot)
        self._sink.put(snapshot)


def span_of(snapshot: Snapshot, resource: Resource) -> ReadableSpan | None:
    """The span of what has ended; None for what goes on, or never began."""
    level = snapshot.WhichOneof("state")
    if level is None:
        return None
    key, state = snapshot.key, getattr(snapshot, level)
    # A launch begins with the request for its pod: short pods are heard of only when they have ended.
    begins = "created_at" if level == "launch" and state.HasField("created_at") else "started_at"
    if not state.HasField(begins) or not state.HasField("finished_at"):
        return None
    began = getattr(state, begins)
    parent = _parent(key)
    return ReadableSpan(
        name=_name(key, state),
        context=_context(key),
        parent=None if parent is None else _context(parent),
        resource=resource,
        attributes=_attributes(key, state, level),
        kind=SpanKind.INTERNAL,
        status=_status(state.failure, state.phase == _ABORTED[level]),
        start_time=_nanoseconds(began),
        end_time=max(_nanoseconds(state.finished_at), _nanoseconds(began)),
        instrumentation_scope=_SCOPE,
    )


def _name(key: SnapshotKey, state: RunState | NodeState | LaunchState) -> str:
    if isinstance(state, RunState):
        return "run"
    if isinstance(state, LaunchState):
        return f"launch {key.launch}"
    name = state.target or state.display_name or state.kind
    return f"{name} [{key.index}]" if key.HasField("index") else name


def _attributes(
    key: SnapshotKey, state: RunState | NodeState | LaunchState, level: str
) -> dict[str, str | int]:
    found: dict[str, str | int] = {"limosa.run.uid": key.run_uid}
    found["limosa.phase"] = _WORDS[level].Name(state.phase).rpartition("PHASE_")[2].lower()
    if key.node_path:
        found["limosa.node.path"] = key.node_path
    if key.HasField("index"):
        found["limosa.item.index"] = key.index
    if isinstance(state, NodeState):
        found["limosa.node.kind"] = state.kind
        waited = _nanoseconds(state.started_at) - _nanoseconds(state.queued_at)
        if state.HasField("queued_at") and waited > 0:
            found["limosa.queued_ms"] = waited // 1_000_000
    if isinstance(state, LaunchState):
        found |= {"limosa.launch.id": state.launch_id, "k8s.pod.name": state.pod}
        found |= {"k8s.namespace.name": state.namespace, "k8s.node.name": state.cluster_node}
    if state.failure.code:
        found["limosa.failure.code"] = state.failure.code
    return found


def _parent(key: SnapshotKey) -> SnapshotKey | None:
    """What a run's part is part of; None for the run."""
    made = SnapshotKey(run_uid=key.run_uid, node_path=key.node_path)
    if key.HasField("launch"):
        if key.HasField("index"):
            made.index = key.index
        return made
    if key.HasField("index"):
        return made
    if not key.node_path:
        return None
    made.node_path = key.node_path.rpartition("/")[0]
    return made


def _context(key: SnapshotKey) -> SpanContext:
    place = f"{key.run_uid}/{key.node_path}"
    place += f"[{key.index}]" if key.HasField("index") else ""
    place += f"#{key.launch}" if key.HasField("launch") else ""
    trace = int.from_bytes(hashlib.sha256(key.run_uid.encode()).digest()[:16], "big")
    span = int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big")
    return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _status(failure: Failure, aborted: bool) -> Status:
    if failure.code:
        return Status(StatusCode.ERROR, f"{failure.code}: {failure.message}")
    return Status(StatusCode.UNSET if aborted else StatusCode.OK)


def _nanoseconds(stamp: Timestamp) -> int:
    return int(stamp.ToNanoseconds())


class _Counted(SpanExporter):
    """Counts what another exporter sends."""

    def __init__(self, exporter: SpanExporter, metrics: Metrics) -> None:
        self._exporter, self._metrics = exporter, metrics

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        outcome = "sent" if result is SpanExportResult.SUCCESS else "lost"
        self._metrics.spans.labels(outcome).inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
