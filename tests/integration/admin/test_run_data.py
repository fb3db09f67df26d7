"""Values and logs of a run, as clients get them."""

import concurrent.futures

import grpc
import pytest

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import layout, values

RUN = pb.RunId(project="demo", domain="development", name="calm-heron-1")


@pytest.fixture
def desired(stand):
    stand.register()
    stand.create(x=4)
    return stand.sync()[0]


def prefix(desired: pb.DesiredRun) -> str:
    return layout.run_prefix("demo", "development", desired.spec.name, desired.run_uid)


def data(stand, node_path: str = "") -> pb.GetRunDataResponse:
    return stand.admin.runs.GetRunData(pb.GetRunDataRequest(id=RUN, node_path=node_path))


def test_values_of_run_and_nodes_as_far_as_they_are_known(stand, desired) -> None:
    commit = run_pb2.Commit(inline=LiteralMap(literals={"o0": values.integer(8)}))
    stand.store.put(layout.commit_key(prefix(desired), "n0", None), commit.SerializeToString())
    first, second, whole = data(stand, "n0"), data(stand, "n1"), data(stand)
    assert first.inputs.literals["x"] == values.integer(4)
    assert first.outputs.literals["o0"] == values.integer(8)
    assert second.inputs.literals["x"] == values.integer(8)
    assert not second.HasField("outputs")
    assert second.note == "outputs: n1 has no result yet"
    assert whole.inputs.literals["x"] == values.integer(4)
    assert whole.note == "outputs: the run is queued"
    outputs = LiteralMap(literals={"o0": values.integer(16)})
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED, outputs=outputs)
    assert data(stand).outputs == outputs


def test_outputs_too_large_for_a_snapshot_are_read_from_the_store(stand, desired) -> None:
    outputs = LiteralMap(literals={"o0": values.integer(16)})
    stand.store.put(layout.outputs_key(prefix(desired)), outputs.SerializeToString())
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED)
    assert data(stand).outputs == outputs


def test_an_unknown_node_is_named(stand, desired) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        data(stand, "n0/n7")
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert "node 'n0/n7' does not exist" in raised.value.details()


def launch(identifier: str, phase=run_pb2.LAUNCH_PHASE_RUNNING) -> run_pb2.LaunchState:
    return run_pb2.LaunchState(phase=phase, launch_id=identifier)


def text(chunks) -> str:
    return "".join(chunk.text for chunk in chunks)


def test_logs_are_the_latest_launchs_unless_another_is_asked_for(stand, desired) -> None:
    stand.publish(
        desired,
        ("n0", None, 0, launch("first", run_pb2.LAUNCH_PHASE_FAILED)),
        ("n0", None, 1, launch("second")),
    )
    stand.store.put(layout.log_key(prefix(desired), "first", 0), b"one\n")
    stand.store.put(layout.log_key(prefix(desired), "second", 0), b"two\nthree\n")
    stand.store.put(layout.log_key(prefix(desired), "second", 1), b"four\n")

    def tail(**more) -> list[pb.LogChunk]:
        return list(stand.admin.runs.TailLogs(pb.TailLogsRequest(id=RUN, **more)))

    assert text(tail()) == "two\nthree\nfour\n"
    assert text(tail(node_path="n0", launch=0)) == "one\n"
    assert text(tail(tail_lines=2)) == "three\nfour\n"
    assert tail(node_path="n1") == []
    assert {(chunk.node_path, chunk.launch) for chunk in tail()} == {("n0", 1)}


def test_following_goes_on_over_retries_until_the_run_has_ended(stand, desired) -> None:
    stand.publish(desired, ("n0", None, 0, launch("first")))
    stand.store.put(layout.log_key(prefix(desired), "first", 0), b"begin")
    stream = stand.admin.runs.TailLogs(pb.TailLogsRequest(id=RUN, node_path="n0", follow=True))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reading = pool.submit(text, stream)
        stand.store.put(layout.log_key(prefix(desired), "first", 1), b"ning\nit bro")
        stand.store.put(layout.log_key(prefix(desired), "first", 2), b"ke\n")
        failed = launch("first", run_pb2.LAUNCH_PHASE_FAILED)
        stand.publish(desired, ("n0", None, 0, failed), ("n0", None, 1, launch("second")), seq=2)
        stand.store.put(layout.log_key(prefix(desired), "second", 0), b"again\nno newline at the end")
        with pytest.raises(concurrent.futures.TimeoutError):
            reading.result(0.3)
        done = launch("second", run_pb2.LAUNCH_PHASE_SUCCEEDED)
        stand.publish(desired, ("n0", None, 1, done), seq=3)
        stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED, seq=4)
        assert reading.result(20) == "beginning\nit broke\nagain\nno newline at the end"
