"""What the database holds, counted for metrics."""

import sqlalchemy as sa

from limosa_admin.metrics import Row
from limosa_admin.store import runs as run_store
from limosa_admin.store.queue import IS_WAITING
from limosa_admin.store.schema import clusters, runs
from limosa_idl.run.v1alpha1.run_pb2 import RunPhase


def read(connection: sa.Connection) -> list[Row]:
    """Active runs by phase, the queue's length and age, and each cluster's last word. Ended runs are not counted."""
    rows: list[Row] = []
    phases = sa.select(runs.c.phase, sa.func.count()).where(run_store.IS_ACTIVE).group_by(runs.c.phase)
    for phase, count in connection.execute(phases):
        name = RunPhase.Name(phase).removeprefix("RUN_PHASE_").lower()
        rows.append(
            ("limosa_active_runs", "Runs that have not ended, by phase", {"phase": name}, float(count))
        )
    age = sa.func.extract("epoch", sa.func.now() - sa.func.min(runs.c.created_at))
    # A claim begins nothing by itself: its operator may be frozen.
    unbegun = sa.and_(run_store.IS_ACTIVE, runs.c.phase == RunPhase.RUN_PHASE_QUEUED)
    waiting = connection.execute(sa.select(sa.func.count(), age).where(sa.or_(IS_WAITING, unbegun))).one()
    rows.append(("limosa_queued_runs", "Runs that no operator works on", {}, float(waiting[0])))
    rows.append(
        (
            "limosa_queue_age_seconds",
            "Age of the oldest run that no operator works on",
            {},
            float(waiting[1] or 0),
        )
    )
    silence = sa.func.extract("epoch", sa.func.now() - clusters.c.last_seen)
    # Of a name the one that was heard last: a cluster that was wiped and made anew has another uid.
    found = sa.select(clusters.c.name, silence, clusters.c.free_slots).where(clusters.c.free_slots >= 0)
    heard = connection.execute(found.order_by(clusters.c.last_seen)).all()
    for name, seconds, slots in sorted({row[0]: row for row in heard}.values()):
        label = {"cluster": name}
        rows.append(
            ("limosa_cluster_silence_seconds", "Since a cluster last asked for work", label, float(seconds))
        )
        rows.append(("limosa_cluster_free_slots", "Runs a cluster could take then", label, float(slots)))
    return rows
