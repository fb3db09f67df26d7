"""Calls of eager nodes: which of them an operator is to hear of. What they are lies in the store, with how they ended."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from limosa_admin.store import runs as run_store
from limosa_admin.store.changes import QUEUE
from limosa_admin.store.database import notify
from limosa_admin.store.schema import calls, runs, snapshots

_PUBLISHED = (snapshots.c.index == -1, snapshots.c.launch == -1, snapshots.c.final.is_(True))
"""A node that has ended."""


def _claim(row: "sa.RowMapping | sa.ColumnCollection[str, Any]") -> tuple[sa.ColumnElement[bool], ...]:
    """What the run's present claim published: an earlier one's ends say nothing of what this one has made of them."""
    return (
        snapshots.c.run_uid == row["uid"],
        snapshots.c.epoch_generation == row["epoch_generation"],
        snapshots.c.epoch_number == row["epoch_number"],
    )


_HAS_ENDED = sa.exists().where(
    *_claim(runs.c), *_PUBLISHED, snapshots.c.node_path == calls.c.node_path + "/" + calls.c.call
)
_OF_CLUSTER = (
    sa.select(calls.c.run_uid, calls.c.node_path, calls.c.call)
    .select_from(calls.join(runs, runs.c.uid == calls.c.run_uid))
    .where(runs.c.cluster_uid == sa.bindparam("cluster"), run_store.IS_ACTIVE, ~_HAS_ENDED)
    .order_by(calls.c.run_uid, calls.c.node_path, calls.c.call)
)


def is_over(connection: sa.Connection, row: sa.RowMapping, node_path: str, launch: int) -> bool:
    """Whether a launch of a node is known to have ended, or another one came after it, under the run's present claim."""
    known = (*_claim(row), snapshots.c.node_path == node_path, snapshots.c.index == -1)
    later = sa.or_(
        snapshots.c.launch > launch, sa.and_(snapshots.c.launch == launch, snapshots.c.final.is_(True))
    )
    query = sa.select(sa.literal(1)).where(*known, later).limit(1)
    return connection.execute(query).first() is not None


def sync(connection: sa.Connection, row: sa.RowMapping, node_path: str, opened: Sequence[str]) -> list[str]:
    """Has the operator hear of calls that have not ended; returns those that have.

    Args:
        connection: An open transaction.
        row: The run.
        node_path: The eager node.
        opened: Ids of calls that its attempt knows no outcome of.
    """
    paths = {f"{node_path}/{call}": call for call in opened}
    query = sa.select(snapshots.c.node_path).where(
        *_claim(row), *_PUBLISHED, snapshots.c.node_path.in_(list(paths))
    )
    ended = [paths[path] for path in connection.execute(query).scalars()]
    own = (calls.c.run_uid == row["uid"], calls.c.node_path == node_path)
    if ended:
        connection.execute(sa.delete(calls).where(*own, calls.c.call.in_(ended)))
    left = sorted(set(opened) - set(ended))
    if left:
        values = [{"run_uid": row["uid"], "node_path": node_path, "call": call} for call in left]
        statement = insert(calls).values(values).on_conflict_do_nothing().returning(calls.c.call)
        if connection.execute(statement).first() is not None:
            notify(connection, QUEUE)
    return sorted(ended)


def of_cluster(connection: sa.Connection, cluster_uid: str) -> Mapping[str, list[str]]:
    """Paths of the open calls of the runs that a cluster works on, by run uid."""
    found: dict[str, list[str]] = {}
    for run_uid, node_path, call in connection.execute(_OF_CLUSTER, {"cluster": cluster_uid}):
        found.setdefault(run_uid, []).append(f"{node_path}/{call}")
    return found
