"""What Prometheus reads of an operator: one place for every metric's name, meaning and unit."""

import functools
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from limosa_engine.commands import Command, DeletePod
from limosa_engine.events import CacheAnswered, Event, PodCreated, PodRejected
from limosa_engine.phases import LaunchPhase, NodePhase, RunPhase
from limosa_idl.run.v1alpha1.run_pb2 import LaunchState, NodeState
from limosa_model.failures import Code

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_LONG = (1, 5, 15, 60, 300, 900, 3600, 14400, 86400)

_CODES = frozenset({"", *(code for name, code in vars(Code).items() if name.isupper())})

Gauge = Callable[[], Mapping[str, float]]
"""Values by label value at the moment of asking; the empty label value for a gauge without one."""


class Metrics:
    """The metrics of one operator process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        counter = functools.partial(Counter, registry=self._registry)
        histogram = functools.partial(Histogram, registry=self._registry)
        self.step_seconds = histogram(
            "limosa_engine_step_seconds", "Time the engine took for one turn of one run", buckets=_FAST
        )
        self.transition_seconds = histogram(
            "limosa_transition_seconds",
            "From an event's arrival to the start of the commands that follow from it",
            buckets=_FAST,
        )
        self.launch_wait_seconds = histogram(
            "limosa_launch_wait_seconds",
            "From the arrival of the event that a first launch follows from to the request for its pod being sent",
            buckets=_FAST,
        )
        self.resync_seconds = histogram(
            "limosa_resync_seconds",
            "Time of full reads of the cluster that heal what events missed",
            buckets=_SLOW,
        )
        self.api_seconds = histogram(
            "limosa_kubernetes_request_seconds",
            "From a request to the Kubernetes API being sent to its answer",
            ["verb"],
            buckets=_SLOW,
        )
        self.api_requests = counter(
            "limosa_kubernetes_requests",
            "Requests to the Kubernetes API, whoever sends them; code 0: no answer; verb WATCH: streams that began",
            ["verb", "code"],
        )
        self._api: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.launches = counter("limosa_launches", "Pods that were created for node items")
        self.rejections = counter(
            "limosa_launches_rejected", "Pods that could not be created, by the reason's code", ["code"]
        )
        self.pods_removed = counter(
            "limosa_pods_removed",
            "Pods whose deletion was asked for, by why: finished, failed, aborted, deadline, stale",
            ["reason"],
        )
        self.cache_answers = counter("limosa_cache_lookups", "Cache lookups by outcome", ["outcome"])
        self.spans = counter("limosa_spans", "Spans of traces, by outcome: sent, lost", ["outcome"])
        self._gauges = _Gauges()
        self._registry.register(self._gauges)
        self._register_ends()

    def _register_ends(self) -> None:
        counter = functools.partial(Counter, registry=self._registry)
        histogram = functools.partial(Histogram, registry=self._registry)
        self.launches_ended = counter(
            "limosa_launches_ended", "Launches that ended, by phase and the failure's code", ["phase", "code"]
        )
        self.launch_seconds = histogram(
            "limosa_launch_seconds", "From a launch's pod being made to its end", ["phase"], buckets=_LONG
        )
        self.nodes_ended = counter("limosa_nodes_ended", "Nodes that ended, by phase", ["phase"])
        self.node_seconds = histogram(
            "limosa_node_seconds", "From a node's start to its end", ["phase"], buckets=_LONG
        )
        self.runs_ended = counter("limosa_runs_ended", "Runs that ended, by phase", ["phase"])
        self.run_seconds = histogram(
            "limosa_run_seconds", "From a run's start to its end", ["phase"], buckets=_LONG
        )

    def requested(self, verb: str, code: int, seconds: float) -> None:
        """Counts a request to the Kubernetes API."""
        found = self._api.get((verb, code))
        if found is None:
            # Looking a metric up by its labels costs more than counting does.
            found = self._api[verb, code] = (
                self.api_requests.labels(verb, str(code)),
                self.api_seconds.labels(verb),
            )
        found[0].inc()
        found[1].observe(seconds)

    def carried_out(self, command: Command, answer: Event) -> None:
        """Counts what a command came to."""
        if isinstance(answer, PodCreated):
            self.launches.inc()
        elif isinstance(answer, PodRejected):
            self.rejections.labels(answer.code).inc()
        elif isinstance(answer, CacheAnswered):
            self.cache_answers.labels(answer.outcome.name.lower()).inc()
        elif isinstance(command, DeletePod):
            self.pods_removed.labels(command.reason).inc()

    def run_ended(self, phase: RunPhase, seconds: float | None) -> None:
        """Counts a run's end; `seconds` since its start, None where it never began."""
        self.runs_ended.labels(phase.name.lower()).inc()
        if seconds is not None:
            self.run_seconds.labels(phase.name.lower()).observe(seconds)

    def launch_ended(self, launch: LaunchState) -> None:
        """Counts a launch's end; codes that are none of ours are one."""
        phase, code = LaunchPhase(launch.phase).name.lower(), launch.failure.code
        self.launches_ended.labels(phase, code if code in _CODES else "other").inc()
        if launch.HasField("created_at"):
            self.launch_seconds.labels(phase).observe(_seconds(launch.created_at, launch.finished_at))

    def node_ended(self, node: NodeState) -> None:
        """Counts a node's end."""
        phase = NodePhase(node.phase).name.lower()
        self.nodes_ended.labels(phase).inc()
        if node.HasField("started_at"):
            self.node_seconds.labels(phase).observe(_seconds(node.started_at, node.finished_at))

    def gauge(self, name: str, meaning: str, read: Gauge, label: str = "") -> None:
        """Adds, or replaces, what is read when it is asked for."""
        self._gauges.known[name] = (meaning, read, label)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)


class _Gauges(Collector):
    def __init__(self) -> None:
        self.known: dict[str, tuple[str, Gauge, str]] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The present values."""
        for name, (meaning, read, label) in self.known.items():
            family = GaugeMetricFamily(name, meaning, labels=[label] if label else [])
            for value_of, value in read().items():
                family.add_metric([value_of] if label else [], value)
            yield family


def _seconds(began: Timestamp, ended: Timestamp) -> float:
    return float(ended.ToNanoseconds() - began.ToNanoseconds()) / 1e9


def tally(values: Iterable[str]) -> dict[str, float]:
    """How often each value occurs."""
    return dict(Tally(values))
