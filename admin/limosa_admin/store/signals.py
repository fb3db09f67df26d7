"""Signals: what people and programs told gates. Of each gate the first one is kept for as long as its run is."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from limosa_admin.store import runs as run_store
from limosa_admin.store.changes import QUEUE
from limosa_admin.store.database import notify
from limosa_admin.store.schema import runs, signals
from limosa_idl.run.v1alpha1.run_pb2 import Signal

_OF_CLUSTER = (
    sa.select(signals.c.run_uid, signals.c.body)
    .select_from(signals.join(runs, runs.c.uid == signals.c.run_uid))
    .where(runs.c.cluster_uid == sa.bindparam("cluster"), run_store.IS_ACTIVE)
    .order_by(signals.c.run_uid, signals.c.node_path)
)


def keep(connection: sa.Connection, run_uid: str, signal: Signal) -> Signal:
    """Keeps a signal, unless the gate has one; returns the one that counts."""
    row = {"run_uid": run_uid, "node_path": signal.node_path, "body": signal.SerializeToString()}
    statement = insert(signals).values(row).on_conflict_do_nothing().returning(signals.c.body)
    if connection.execute(statement).first() is not None:
        notify(connection, QUEUE)
        return signal
    where = (signals.c.run_uid == run_uid, signals.c.node_path == signal.node_path)
    return Signal.FromString(bytes(connection.execute(sa.select(signals.c.body).where(*where)).scalar_one()))


def of_cluster(connection: sa.Connection, cluster_uid: str) -> Mapping[str, list[Signal]]:
    """Signals of the runs that a cluster works on, by run uid, in the order of their paths."""
    found: dict[str, list[Signal]] = {}
    for run_uid, body in connection.execute(_OF_CLUSTER, {"cluster": cluster_uid}):
        found.setdefault(run_uid, []).append(Signal.FromString(bytes(body)))
    return found
