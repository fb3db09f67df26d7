"""What the operator counts, as Prometheus reads it."""

from limosa_engine import Item
from limosa_engine import commands as cmd
from limosa_engine import events as ev
from limosa_propeller.metrics import Metrics


def found(metrics: Metrics) -> dict[str, float]:
    lines = metrics.text().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_requests_are_counted_by_verb_and_answer_and_timed() -> None:
    metrics = Metrics()
    metrics.requested("POST", 201, 0.02)
    metrics.requested("POST", 201, 0.04)
    metrics.requested("POST", 429, 0.01)
    told = found(metrics)
    assert told['limosa_kubernetes_requests_total{code="201",verb="POST"}'] == 2
    assert told['limosa_kubernetes_requests_total{code="429",verb="POST"}'] == 1
    assert told['limosa_kubernetes_request_seconds_count{verb="POST"}'] == 3


def test_answers_of_the_cache_and_refused_pods_are_counted_by_what_they_are() -> None:
    metrics = Metrics()
    lookup = cmd.LookupCache(Item("n0"), "f.t", "key", "sha256:aa", False)
    for outcome in (ev.CacheOutcome.HIT, ev.CacheOutcome.HIT, ev.CacheOutcome.UNREACHABLE):
        metrics.carried_out(lookup, ev.CacheAnswered(Item("n0"), outcome))
    metrics.carried_out(lookup, ev.PodRejected(Item("n0"), 0, "Quota", "used up", True))
    told = found(metrics)
    assert told['limosa_cache_lookups_total{outcome="hit"}'] == 2
    assert told['limosa_cache_lookups_total{outcome="unreachable"}'] == 1
    assert told['limosa_launches_rejected_total{code="Quota"}'] == 1
