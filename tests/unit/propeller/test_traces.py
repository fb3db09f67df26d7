"""What of a run becomes a span, and how the spans hang together."""

import socket

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import StatusCode

from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_model import failures
from limosa_propeller.metrics import Metrics
from limosa_propeller.settings import SettingsError, parse_settings
from limosa_propeller.traces import Traces, span_of

RESOURCE = Resource({"service.name": "limosa"})
BEGAN, ENDED = Timestamp(seconds=100), Timestamp(seconds=103)


def snapshot(level, path="", *, index=None, launch=None, **state):
    key = pb.SnapshotKey(run_uid="u", node_path=path, index=index, launch=launch)
    kinds = {"run": pb.RunState, "node": pb.NodeState, "launch": pb.LaunchState}
    return pb.Snapshot(
        key=key, **{level: kinds[level](**{"started_at": BEGAN, "finished_at": ENDED, **state})}
    )


def span(*arguments, **more):
    made = span_of(snapshot(*arguments, **more), RESOURCE)
    assert made is not None
    return made


def test_parts_hang_below_what_they_are_part_of():
    run = span("run", phase=pb.RUN_PHASE_SUCCEEDED)
    node = span("node", "n0", kind="sub_workflow", target="f.inner")
    inner = span("node", "n0/n1", kind="map", target="f.square")
    item = span("node", "n0/n1", index=3, kind="task", target="f.square")
    launch = span("launch", "n0/n1", index=3, launch=1, pod="p", namespace="ns")
    chain = [run, node, inner, item, launch]
    assert [one.name for one in chain] == ["run", "f.inner", "f.square", "f.square [3]", "launch 1"]
    assert run.parent is None
    assert [one.parent for one in chain[1:]] == [one.context for one in chain[:-1]]
    assert len({one.context.span_id for one in chain}) == len(chain)
    assert {one.context.trace_id for one in chain} == {run.context.trace_id}
    assert launch.attributes["k8s.pod.name"] == "p"
    assert (run.start_time, run.end_time) == (100 * 10**9, 103 * 10**9)


def test_ids_are_the_same_in_every_process():
    assert span("node", "n0").context == span("node", "n0").context
    other = pb.Snapshot()
    other.CopyFrom(snapshot("node", "n0"))
    other.key.run_uid = "v"
    assert span_of(other, RESOURCE).context.trace_id != span("node", "n0").context.trace_id


@pytest.mark.parametrize("absent", ["started_at", "finished_at"])
def test_what_goes_on_or_never_began_is_no_span(absent):
    assert span_of(snapshot("node", "n0", **{absent: None}), RESOURCE) is None


def test_a_failure_is_the_span_s_status_and_an_abort_is_none():
    failed = span("node", "n0", phase=pb.NODE_PHASE_FAILED, failure=failures.user("Timeout", "too long"))
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "Timeout: too long")
    assert failed.attributes["limosa.failure.code"] == "Timeout"
    assert failed.attributes["limosa.phase"] == "failed"
    assert span("node", "n0", phase=pb.NODE_PHASE_SUCCEEDED).status.status_code is StatusCode.OK
    assert span("node", "n0", phase=pb.NODE_PHASE_ABORTED).status.status_code is StatusCode.UNSET


def test_how_long_it_waited_is_told():
    assert span("node", "n0", queued_at=Timestamp(seconds=99)).attributes["limosa.queued_ms"] == 1000


def test_an_endpoint_that_is_none_is_refused():
    assert parse_settings(["--traces", "http://c:4318/v1/traces"], {}).traces_endpoint
    with pytest.raises(SettingsError, match="--traces is 'collector:4318'; write http://host:4318/v1/traces"):
        parse_settings(["--traces", "collector:4318"], {})


def test_a_collector_that_is_away_costs_spans_that_are_counted():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        metrics = Metrics()
        traces = Traces(f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/traces", "here", metrics)
        traces.take(snapshot("run", phase=pb.RUN_PHASE_SUCCEEDED))
        traces.close()
    assert b'limosa_spans_total{outcome="lost"} 1.0' in metrics.text()
