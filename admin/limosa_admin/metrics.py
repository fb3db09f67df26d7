"""What Prometheus reads of admin: one place for every metric's name, meaning and unit."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Row = tuple[str, str, dict[str, str], float]
"""Name, meaning, labels and value of one gauge."""


class Metrics:
    """The metrics of one admin process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls = Histogram(
            "limosa_admin_call_seconds",
            "gRPC calls by method and status, from their arrival to their end; streams included",
            ["method", "status"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0),
            registry=self._registry,
        )

    def called(self, method: str, status: str, seconds: float) -> None:
        """Counts a call."""
        self._calls.labels(method, status).observe(seconds)

    def text(self, read: Callable[[], list[Row]]) -> bytes:
        """Everything, in Prometheus' text format; `read` gives what is counted in the database."""
        found = CollectorRegistry()
        found.register(_Gauges(read()))
        return generate_latest(self._registry) + generate_latest(found)


class _Gauges(Collector):
    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family a name."""
        families: dict[str, GaugeMetricFamily] = {}
        for name, meaning, labels, value in self._rows:
            family = families.setdefault(name, GaugeMetricFamily(name, meaning, labels=list(labels)))
            family.add_metric(list(labels.values()), value)
        yield from families.values()
