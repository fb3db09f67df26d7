"""Snapshots: the latest known state of runs, nodes, items and launches."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_admin.store import caches
from limosa_admin.store import runs as run_store
from limosa_admin.store.changes import QUEUE, run_topic
from limosa_admin.store.schema import snapshots
from limosa_idl.run.v1alpha1 import run_pb2

_FINAL_NODE = {
    run_pb2.NODE_PHASE_SUCCEEDED,
    run_pb2.NODE_PHASE_FAILED,
    run_pb2.NODE_PHASE_SKIPPED,
    run_pb2.NODE_PHASE_ABORTED,
}
_FINAL_LAUNCH = {
    run_pb2.LAUNCH_PHASE_SUCCEEDED,
    run_pb2.LAUNCH_PHASE_FAILED,
    run_pb2.LAUNCH_PHASE_ABORTED,
    run_pb2.LAUNCH_PHASE_SUPERSEDED,
}
_UPSERT = sa.text("""
INSERT INTO snapshots AS old
       (run_uid, node_path, index, launch, epoch_generation, epoch_number, seq, final, body, change)
SELECT * FROM unnest(CAST(:run_uid AS text[]), CAST(:node_path AS text[]), CAST(:index AS int[]),
                     CAST(:launch AS int[]), CAST(:generation AS bigint[]), CAST(:number AS bigint[]),
                     CAST(:seq AS bigint[]), CAST(:final AS boolean[]), CAST(:body AS bytea[]),
                     CAST(:change AS bigint[]))
ON CONFLICT (run_uid, node_path, index, launch) DO UPDATE
   SET epoch_generation = excluded.epoch_generation, epoch_number = excluded.epoch_number, seq = excluded.seq,
       final = excluded.final, body = excluded.body, change = excluded.change
 WHERE (excluded.epoch_generation, excluded.epoch_number) > (old.epoch_generation, old.epoch_number)
    OR ((excluded.epoch_generation, excluded.epoch_number) = (old.epoch_generation, old.epoch_number)
        AND excluded.seq > old.seq AND NOT old.final)
""")

# In one order, so that two batches over the same runs cannot lock each other out.
_LOCK = sa.text("""
SELECT uid, cluster_uid, epoch_generation, epoch_number, phase, state, state_seq, change FROM runs
 WHERE uid = ANY (:uids) ORDER BY uid FOR UPDATE
""")
_NUMBERS = sa.text("""
SELECT runs.uid, greatest(runs.state_seq, 0, (
           SELECT max(seq) FROM snapshots
            WHERE snapshots.run_uid = runs.uid
              AND (snapshots.epoch_generation, snapshots.epoch_number) = (claim.generation, claim.number))) AS greatest
  FROM runs
  JOIN unnest(CAST(:uids AS text[]), CAST(:generations AS bigint[]), CAST(:numbers AS bigint[]))
       AS claim (uid, generation, number) ON claim.uid = runs.uid
""")
_UPDATE_RUNS = sa.text("""
UPDATE runs
   SET change = new.change, phase = new.phase, state = coalesce(new.state, runs.state),
       state_seq = coalesce(new.seq, runs.state_seq)
  FROM unnest(CAST(:uid AS text[]), CAST(:change AS bigint[]), CAST(:phase AS smallint[]), CAST(:state AS bytea[]),
              CAST(:seq AS bigint[])) AS new (uid, change, phase, state, seq)
 WHERE runs.uid = new.uid
""")
# What may be open. A closed one has its state in the body alone: it is not final.
_OPEN = sa.text("""
SELECT snapshots.run_uid, node_path, index, launch, body, runs.state
  FROM unnest(CAST(:uids AS text[]), CAST(:since AS bigint[])) AS ended (uid, since)
  JOIN runs USING (uid)
  JOIN snapshots ON snapshots.run_uid = uid AND snapshots.change >= since AND NOT final
""")
_CLOSE = sa.text("""
UPDATE snapshots AS old SET body = new.body, change = new.change
  FROM unnest(CAST(:uid AS text[]), CAST(:path AS text[]), CAST(:index AS int[]), CAST(:launch AS int[]),
              CAST(:body AS bytea[]), CAST(:change AS bigint[])) AS new (uid, path, index, launch, body, change)
 WHERE (old.run_uid, old.node_path, old.index, old.launch) = (new.uid, new.path, new.index, new.launch)
""")


class _Changed(NamedTuple):
    """A run's row as it becomes; without state and number where that stays as it is."""

    uid: str
    change: int
    phase: int
    state: bytes | None
    seq: int | None


@dataclasses.dataclass(frozen=True)
class Delta:
    """What became of a run since a change number.

    Attributes:
        run: Its row.
        snapshots: Those of nodes, items and launches that changed, in the order of their keys.
        change: The change number to go on from.
    """

    run: sa.RowMapping
    snapshots: list[run_pb2.Snapshot]
    change: int


@dataclasses.dataclass(frozen=True)
class Published:
    """What became of a batch.

    Attributes:
        stale: Runs on which the cluster's claim is stale.
        topics: What changed, to be told once it is committed.
    """

    stale: list[str]
    topics: list[str]


def publish(connection: sa.Connection, cluster_uid: str, batch: Sequence[run_pb2.Snapshot]) -> Published:
    """Takes what is newer than what is known."""
    by_run: dict[str, list[run_pb2.Snapshot]] = {}
    for snapshot in batch:
        by_run.setdefault(snapshot.key.run_uid, []).append(snapshot)
    rows = _lock(connection, by_run)
    accepted: list[tuple[int, run_pb2.Snapshot]] = []
    changed: list[_Changed] = []
    stale = []
    for uid in sorted(by_run):
        row = rows.get(uid)
        current = [] if row is None else [s for s in by_run[uid] if _is_current(row, cluster_uid, s.epoch)]
        if row is None or len(current) < len(by_run[uid]):
            stale.append(uid)
        if row is not None and current:
            changed.append(_of_run(row, [s for s in current if s.WhichOneof("state") == "run"]))
            accepted += [(changed[-1].change, s) for s in current if s.WhichOneof("state") != "run"]
    _update_runs(connection, changed)
    _upsert(connection, accepted)
    ended = {run.uid: run for run in changed if run.phase in run_store.TERMINAL}
    # Of a run that had ended before, all but what has just come was closed then.
    had_ended = {uid for uid in ended if rows[uid]["phase"] in run_store.TERMINAL}
    _close(connection, ended, {uid: run.change if uid in had_ended else 0 for uid, run in ended.items()})
    caches.release_runs(connection, ended)
    frees = any(run.state is not None and run.phase in run_store.SLOTLESS for run in changed)
    return Published(stale, [run_topic(run.uid) for run in changed] + ([QUEUE] if frees else []))


def read(
    connection: sa.Connection, run_uid: str, since: int = -1, items_of: str | None = None
) -> Delta | None:
    """What changed in a run; None when it is gone.

    Args:
        connection: A repeatable-read transaction, so that row and snapshots are of one moment.
        run_uid: The run.
        since: Leave out what changed at or before this change number.
        items_of: Leave out the items of all maps but this node; None: leave out none.
    """
    row = run_store.get(connection, run_uid)
    if row is None:
        return None
    changed = [snapshots.c.run_uid == run_uid, snapshots.c.change > since]
    if items_of is not None:
        changed.append(sa.or_(snapshots.c.index == -1, snapshots.c.node_path == items_of))
    order = (snapshots.c.node_path, snapshots.c.index, snapshots.c.launch)
    bodies = connection.execute(sa.select(snapshots.c.body).where(*changed).order_by(*order)).scalars()
    return Delta(row, [run_pb2.Snapshot.FromString(bytes(body)) for body in bodies], row["change"])


def greatest_numbers(connection: sa.Connection, epochs: Mapping[str, run_pb2.Epoch]) -> dict[str, int]:
    """The greatest number that is known of each run under its epoch; 0 where nothing was published under it."""
    if not epochs:
        return {}
    found = connection.execute(
        _NUMBERS,
        {
            "uids": list(epochs),
            "generations": [epoch.generation for epoch in epochs.values()],
            "numbers": [epoch.number for epoch in epochs.values()],
        },
    )
    return {row.uid: row.greatest for row in found}


def of_node(connection: sa.Connection, run_uid: str, node_path: str) -> run_pb2.NodeState | None:
    """The state of one node, None before anything was published of it."""
    where = (
        snapshots.c.run_uid == run_uid,
        snapshots.c.node_path == node_path,
        snapshots.c.index == -1,
        snapshots.c.launch == -1,
    )
    body = connection.execute(sa.select(snapshots.c.body).where(*where)).scalar()
    return None if body is None else run_pb2.Snapshot.FromString(bytes(body)).node


def of_nodes(connection: sa.Connection, run_uid: str) -> dict[str, run_pb2.NodeState]:
    """The states of all nodes of a run of which something was published, by path; items of maps are left out."""
    where = (snapshots.c.run_uid == run_uid, snapshots.c.index == -1, snapshots.c.launch == -1)
    bodies = connection.execute(sa.select(snapshots.c.body).where(*where)).scalars()
    found = (run_pb2.Snapshot.FromString(bytes(body)) for body in bodies)
    return {snapshot.key.node_path: snapshot.node for snapshot in found}


def launches(
    connection: sa.Connection, run_uid: str, node_path: str | None = None, index: int | None = None
) -> list[run_pb2.Snapshot]:
    """Snapshots of launches, ordered by node, index and ordinal.

    Args:
        connection: An open transaction.
        run_uid: The run.
        node_path: Only this node's; None: all.
        index: Only this item's; None: all.
    """
    query = sa.select(snapshots.c.body).where(snapshots.c.run_uid == run_uid, snapshots.c.launch >= 0)
    if node_path is not None:
        query = query.where(snapshots.c.node_path == node_path)
    if index is not None:
        query = query.where(snapshots.c.index == index)
    order = (snapshots.c.node_path, snapshots.c.index, snapshots.c.launch)
    return [
        run_pb2.Snapshot.FromString(bytes(b)) for b in connection.execute(query.order_by(*order)).scalars()
    ]


def _lock(connection: sa.Connection, uids: Iterable[str]) -> Mapping[str, sa.RowMapping]:
    found = connection.execute(_LOCK, {"uids": list(uids)}).mappings()
    return {row["uid"]: row for row in found}


def _is_current(row: sa.RowMapping, cluster_uid: str, epoch: run_pb2.Epoch) -> bool:
    claim = (row["cluster_uid"], row["epoch_generation"], row["epoch_number"])
    return claim == (cluster_uid, epoch.generation, epoch.number)


def _of_run(row: sa.RowMapping, states: list[run_pb2.Snapshot]) -> _Changed:
    """A run's row with the newest of some states, where that is news to it."""
    newest = max(states, key=lambda snapshot: snapshot.seq, default=None)
    change = row["change"] + 1
    if newest is None or newest.seq <= row["state_seq"] or row["phase"] in run_store.TERMINAL:
        return _Changed(row["uid"], change, row["phase"], None, None)
    state = _with_beginning(newest.run, row).SerializeToString()
    return _Changed(row["uid"], change, newest.run.phase, state, newest.seq)


def _update_runs(connection: sa.Connection, changed: Sequence[_Changed]) -> None:
    if changed:
        columns = zip(*changed, strict=True)
        connection.execute(_UPDATE_RUNS, dict(zip(_Changed._fields, map(list, columns), strict=True)))


def _with_beginning(state: run_pb2.RunState, row: sa.RowMapping) -> run_pb2.RunState:
    """An operator that ends a run it cannot read knows neither when it began nor how far it came."""
    before = run_pb2.RunState.FromString(bytes(row["state"]))
    if not state.HasField("started_at") and before.HasField("started_at"):
        state.started_at.CopyFrom(before.started_at)
    if not state.nodes_total:
        state.nodes_done, state.nodes_total = before.nodes_done, before.nodes_total
    return state


def _close(connection: sa.Connection, ended: Mapping[str, _Changed], since: Mapping[str, int]) -> None:
    """Makes ABORTED what is still open in runs that have ended: nobody works on them any more.

    What is closed here is not final: how it really ended may still be on its way.

    Args:
        connection: An open transaction.
        ended: The runs, by uid.
        since: Of each the change number from which on something may be open.
    """
    if not ended:
        return
    found = connection.execute(_OPEN, {"uids": list(ended), "since": [since[uid] for uid in ended]})
    finished: dict[str, Timestamp] = {}
    closed = []
    for uid, path, index, launch, body, state in found:
        snapshot = run_pb2.Snapshot.FromString(bytes(body))
        if _is_final(snapshot):
            continue
        if uid not in finished:
            finished[uid] = run_pb2.RunState.FromString(bytes(state)).finished_at
        _abort(snapshot, finished[uid])
        closed.append((uid, path, index, launch, snapshot.SerializeToString(), ended[uid].change))
    if closed:
        names = ("uid", "path", "index", "launch", "body", "change")
        columns = map(list, zip(*closed, strict=True))
        connection.execute(_CLOSE, dict(zip(names, columns, strict=True)))


def _abort(snapshot: run_pb2.Snapshot, at: Timestamp) -> None:
    if snapshot.WhichOneof("state") == "launch":
        snapshot.launch.phase = run_pb2.LAUNCH_PHASE_ABORTED
        snapshot.launch.finished_at.CopyFrom(at)
        snapshot.launch.ClearField("reason")
    else:
        snapshot.node.phase = run_pb2.NODE_PHASE_ABORTED
        snapshot.node.finished_at.CopyFrom(at)
        snapshot.node.ClearField("reason")
        snapshot.node.ClearField("items_running")


def _upsert(connection: sa.Connection, accepted: Sequence[tuple[int, run_pb2.Snapshot]]) -> None:
    newest: dict[tuple[str, str, int, int], tuple[int, run_pb2.Snapshot]] = {}
    for change, snapshot in accepted:
        key = _key(snapshot.key)
        if key not in newest or newest[key][1].seq < snapshot.seq:
            newest[key] = (change, snapshot)
    if not newest:
        return
    connection.execute(
        _UPSERT,
        {
            "run_uid": [key[0] for key in newest],
            "node_path": [key[1] for key in newest],
            "index": [key[2] for key in newest],
            "launch": [key[3] for key in newest],
            "generation": [snapshot.epoch.generation for _, snapshot in newest.values()],
            "number": [snapshot.epoch.number for _, snapshot in newest.values()],
            "seq": [snapshot.seq for _, snapshot in newest.values()],
            "final": [_is_final(snapshot) for _, snapshot in newest.values()],
            "body": [snapshot.SerializeToString() for _, snapshot in newest.values()],
            "change": [change for change, _ in newest.values()],
        },
    )


def _key(key: run_pb2.SnapshotKey) -> tuple[str, str, int, int]:
    index = key.index if key.HasField("index") else -1
    launch = key.launch if key.HasField("launch") else -1
    return key.run_uid, key.node_path, index, launch


def _is_final(snapshot: run_pb2.Snapshot) -> bool:
    if snapshot.WhichOneof("state") == "launch":
        return snapshot.launch.phase in _FINAL_LAUNCH
    return snapshot.node.phase in _FINAL_NODE
