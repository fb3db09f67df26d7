import concurrent.futures
import random

import grpc
import pytest
import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_admin.store import schema, snapshots
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import values

DONE, RUNNING = run_pb2.NODE_PHASE_SUCCEEDED, run_pb2.NODE_PHASE_RUNNING
ABORTED = run_pb2.NODE_PHASE_ABORTED


@pytest.fixture
def desired(stand):
    stand.register()
    stand.create()
    return stand.sync()[0]


def detail(stand, name: str = "calm-heron-1") -> pb.RunDetail:
    run = pb.RunId(project="demo", domain="development", name=name)
    return stand.admin.runs.GetRun(pb.GetRunRequest(id=run))


def node(phase=RUNNING, **more) -> run_pb2.NodeState:
    return run_pb2.NodeState(phase=phase, **more)


def test_writers_in_any_order_leave_the_greatest_version_of_every_key(stand, desired) -> None:
    batches = [
        [(f"n{key}", index, None, node(launches=seq)) for key in range(6) for index in (None, 0, 1)]
        for seq in range(1, 21)
    ]
    order = list(enumerate(batches, start=1))
    random.Random(7).shuffle(order)
    for _, batch in order:
        random.Random(8).shuffle(batch)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        stale = list(pool.map(lambda item: stand.publish(desired, *item[1], seq=item[0]), order))
    assert all(answer == [] for answer in stale)
    found = detail(stand).snapshots
    assert len(found) == 18
    assert {(snapshot.seq, snapshot.node.launches) for snapshot in found} == {(20, 20)}


AT = Timestamp(seconds=1_700_000_000)


@pytest.mark.parametrize(
    ("path", "state", "seq", "named"),
    [
        ("", run_pb2.RunState(phase=run_pb2.RUN_PHASE_RUNNING), 2**63, "number"),
        ("", run_pb2.RunState(phase=run_pb2.RUN_PHASE_RUNNING), 2**64 - 1, "number"),
        ("", run_pb2.RunState(phase=99), 1, "phase"),
        ("n0", run_pb2.NodeState(phase=99), 1, "phase"),
        ("n0", run_pb2.NodeState(phase=RUNNING, started_at=Timestamp(seconds=2**62)), 1, "started_at"),
        ("n0", run_pb2.NodeState(phase=RUNNING, started_at=Timestamp(seconds=-1)), 1, "started_at"),
        (
            "n0",
            run_pb2.NodeState(phase=RUNNING, finished_at=Timestamp(seconds=1, nanos=-5)),
            1,
            "finished_at",
        ),
        (
            "n0",
            run_pb2.NodeState(phase=RUNNING, reason=run_pb2.Reason(since=Timestamp(seconds=253_402_300_800))),
            1,
            "reason.since",
        ),
        ("no/such/node" * 400, run_pb2.NodeState(phase=RUNNING), 1, "path"),
        ("a b", run_pb2.NodeState(phase=RUNNING), 1, "path"),
    ],
)
def test_what_no_run_can_be_in_is_refused_and_named(stand, desired, path, state, seq, named) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stand.publish(desired, (path, None, None, state), seq=seq)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert named in refused.value.details()
    assert stand.publish(desired, ("n0", None, None, node(started_at=AT)), seq=1) == []


def test_several_versions_of_a_key_in_one_batch(stand, desired) -> None:
    snapshots = []
    for seq in (2, 3, 1):
        snapshot = run_pb2.Snapshot(epoch=desired.epoch, seq=seq, node=node(launches=seq))
        snapshot.key.run_uid, snapshot.key.node_path = desired.run_uid, "n0"
        snapshots.append(snapshot)
    stand.operator.operator.Publish(pb.PublishRequest(cluster_uid="c1", snapshots=snapshots))
    assert [s.node.launches for s in detail(stand).snapshots] == [3]


def test_batches_over_the_same_runs_do_not_lock_each_other_out(stand, desired) -> None:
    for number in range(6):
        stand.create(f"run-{number}")
    runs = [run for run in stand.sync(slots=20) if run.spec.name.startswith("run-")]

    def publish(seed: int) -> list[str]:
        shuffled = runs[:]
        random.Random(seed).shuffle(shuffled)
        snapshots = []
        for run in shuffled:
            snapshot = run_pb2.Snapshot(epoch=run.epoch, seq=seed + 1, node=node())
            snapshot.key.run_uid, snapshot.key.node_path = run.run_uid, "n0"
            snapshots.append(snapshot)
        return list(
            stand.operator.operator.Publish(
                pb.PublishRequest(cluster_uid="c1", snapshots=snapshots)
            ).stale_run_uids
        )

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(publish, range(40))) == [[]] * 40


def test_a_terminal_phase_of_a_run_is_final(stand, desired) -> None:
    outputs = {"outputs": {"literals": {"o0": values.integer(4)}}}
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED, seq=3, **outputs)
    assert stand.run_state(desired, run_pb2.RUN_PHASE_FAILED, seq=4) == []
    state = detail(stand).run.state
    assert state.phase == run_pb2.RUN_PHASE_SUCCEEDED
    assert state.outputs.literals["o0"] == values.integer(4)


def test_a_final_node_stays_within_its_epoch_and_late_nodes_are_taken_after_the_end(stand, desired) -> None:
    stand.publish(desired, ("n0", None, None, node(DONE)), seq=5)
    stand.publish(desired, ("n0", None, None, node(RUNNING)), seq=6)
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED, seq=7)
    assert stand.publish(desired, ("n1", None, None, node(DONE)), seq=8) == []
    assert [(s.key.node_path, s.node.phase) for s in detail(stand).snapshots] == [("n0", DONE), ("n1", DONE)]


def test_a_run_that_ends_by_force_leaves_nothing_open_and_keeps_its_beginning(stand, desired) -> None:
    begun, ended = Timestamp(seconds=100), Timestamp(seconds=107)
    launch = run_pb2.LaunchState(phase=run_pb2.LAUNCH_PHASE_RUNNING, launch_id="a")
    stand.run_state(desired, run_pb2.RUN_PHASE_RUNNING, seq=1, started_at=begun, nodes_done=1, nodes_total=3)
    stand.publish(desired, ("n0", None, None, node(DONE)), ("n1", None, None, node()), seq=2)
    stand.publish(desired, ("n1", None, 0, launch), seq=3)
    stand.run_state(desired, run_pb2.RUN_PHASE_FAILED, seq=4, finished_at=ended)
    # Sent before the end, and arrived after it.
    stand.publish(desired, ("n2", None, None, node()), seq=3)
    found = detail(stand)
    assert found.run.state.started_at == begun
    assert (found.run.state.nodes_done, found.run.state.nodes_total) == (1, 3)
    first, second, first_launch, third = found.snapshots
    assert (first.node.phase, second.node.phase, third.node.phase) == (DONE, ABORTED, ABORTED)
    assert first_launch.launch.phase == run_pb2.LAUNCH_PHASE_ABORTED
    assert second.node.finished_at == third.node.finished_at == first_launch.launch.finished_at == ended


def test_the_end_of_a_run_takes_the_same_number_of_statements_however_much_is_open(stand) -> None:
    stand.register()
    counts = []
    for name, items in (("few", 3), ("many", 900)):
        stand.create(name)
        desired = next(run for run in stand.sync() if run.spec.name == name)
        stand.publish(desired, *(("n1", index, None, node()) for index in range(items)), seq=1)
        statements: list[str] = []

        def count(_connection: object, _cursor: object, text: str, *_rest: object, to=statements) -> None:
            if "snapshots" in text:
                to.append(text)

        sa.event.listen(stand.database.engine, "before_cursor_execute", count)
        stand.run_state(desired, run_pb2.RUN_PHASE_ABORTED, seq=2)
        sa.event.remove(stand.database.engine, "before_cursor_execute", count)
        counts.append(len(statements))
        assert {s.node.phase for s in detail(stand, name).snapshots} == {ABORTED}
    assert counts[0] == counts[1] > 0


def test_word_after_the_end_looks_only_at_what_it_brings(stand, desired) -> None:
    stand.publish(desired, ("n1", 0, None, node()), ("n1", 1, None, node()), seq=1)
    stand.run_state(desired, run_pb2.RUN_PHASE_ABORTED, seq=2)
    before = {s.key.index: s for s in detail(stand).snapshots}
    with stand.database.transaction() as connection:
        change = connection.execute(
            sa.select(schema.snapshots.c.change).where(schema.snapshots.c.index == 1)
        ).scalar()
    stand.publish(desired, ("n1", 0, None, node(DONE)), ("n1", 2, None, node()), seq=3)
    after = {s.key.index: s for s in detail(stand).snapshots}
    assert [after[index].node.phase for index in range(3)] == [DONE, ABORTED, ABORTED]
    assert after[1] == before[1]
    with stand.database.transaction() as connection:
        assert (
            connection.execute(
                sa.select(schema.snapshots.c.change).where(schema.snapshots.c.index == 1)
            ).scalar()
            == change
        )


@pytest.mark.parametrize("change", ["epoch", "cluster", "run"])
def test_a_stale_operator_is_told_and_changes_nothing(stand, desired, change: str) -> None:
    stale = pb.DesiredRun()
    stale.CopyFrom(desired)
    if change == "epoch":
        stale.epoch.number = 0
    if change == "run":
        stale.run_uid = "unknown"
    answer = stand.publish(stale, ("n0", None, None, node()), cluster="c2" if change == "cluster" else "c1")
    assert answer == [stale.run_uid]
    assert list(detail(stand).snapshots) == []


@pytest.mark.parametrize(
    "snapshot",
    [
        run_pb2.Snapshot(key=run_pb2.SnapshotKey(run_uid="u"), node=node()),
        run_pb2.Snapshot(key=run_pb2.SnapshotKey(run_uid="u", node_path="n0"), run=run_pb2.RunState()),
        run_pb2.Snapshot(key=run_pb2.SnapshotKey(run_uid="u", launch=1), launch=run_pb2.LaunchState()),
        run_pb2.Snapshot(key=run_pb2.SnapshotKey(run_uid="u", launch=1)),
        run_pb2.Snapshot(key=run_pb2.SnapshotKey(run_uid="u", node_path="n0")),
        run_pb2.Snapshot(key=run_pb2.SnapshotKey(node_path="n0"), node=node()),
    ],
)
def test_a_snapshot_whose_state_does_not_fit_its_key_is_refused(stand, snapshot) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stand.operator.operator.Publish(pb.PublishRequest(cluster_uid="c1", snapshots=[snapshot]))
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_items_of_other_maps_can_be_left_out(stand, desired) -> None:
    keys = [(path, index, launch) for path in ("n0", "n1") for index in (None, 0) for launch in (None, 0)]
    launch_state = run_pb2.LaunchState(phase=run_pb2.LAUNCH_PHASE_RUNNING, launch_id="a")
    stand.publish(desired, *((*key, node() if key[2] is None else launch_state) for key in keys))
    with stand.database.snapshot() as connection:
        delta = snapshots.read(connection, desired.run_uid, items_of="n1")
    assert delta is not None
    assert [s.key.node_path for s in delta.snapshots].count("n0") == 2
    assert [s.key.node_path for s in delta.snapshots].count("n1") == 4
