"""Runs: looked up, aborted, deleted. New ones are in `arrivals`, what works on them in `claims`, how far they are in `snapshots`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_admin.store import uses
from limosa_admin.store.changes import QUEUE, run_topic
from limosa_admin.store.database import notify
from limosa_admin.store.schema import clusters, runs
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2

TERMINAL = (run_pb2.RUN_PHASE_SUCCEEDED, run_pb2.RUN_PHASE_FAILED, run_pb2.RUN_PHASE_ABORTED)
IS_ACTIVE = runs.c.phase.not_in([sa.literal_column(str(int(phase))) for phase in TERMINAL])
"""Not terminal; the partial indexes on runs say the same."""
SLOTLESS = (*TERMINAL, run_pb2.RUN_PHASE_PARKED)
"""Phases in which a run counts in no limit."""
HOLDS_SLOT = sa.and_(runs.c.cluster_uid.is_not(None), IS_ACTIVE, runs.c.phase != run_pb2.RUN_PHASE_PARKED)
"""Clusters work on it, so that it counts in limits."""


Row = Mapping[Any, Any]
"""A run's row by columns' names, and `cluster_name`."""

_PARENTS = runs.alias("parents")
_ORPHANS = (
    sa.select(runs.c.uid)
    .select_from(runs.outerjoin(_PARENTS, _PARENTS.c.uid == runs.c.parent_uid))
    .where(
        IS_ACTIVE,
        runs.c.parent_uid.is_not(None),
        ~runs.c.abort_requested,
        sa.or_(_PARENTS.c.uid.is_(None), _PARENTS.c.phase.in_(TERMINAL)),
    )
)


def find(connection: sa.Connection, run: pb.RunId, *, lock: bool = False) -> sa.RowMapping | None:
    """The row of a run with its cluster's name; None where there is none.

    Args:
        connection: An open transaction.
        run: Its name.
        lock: Keep others from changing it until the transaction ends.
    """
    named = (runs.c.project == run.project, runs.c.domain == run.domain, runs.c.name == run.name)
    query = _rows().where(*named)
    if lock:
        query = query.with_for_update(of=runs)
    return connection.execute(query).mappings().first()


def get(connection: sa.Connection, uid: str, *, lock: bool = False) -> sa.RowMapping | None:
    """The row of a run by uid; `lock` as for `find`."""
    query = _rows().where(runs.c.uid == uid)
    if lock:
        query = query.with_for_update(of=runs)
    return connection.execute(query).mappings().first()


def get_all(connection: sa.Connection, uids: Collection[str]) -> Mapping[str, sa.RowMapping]:
    """The rows of those runs that exist, by uid."""
    rows = connection.execute(_rows().where(runs.c.uid.in_(list(uids)))).mappings()
    return {row["uid"]: row for row in rows}


def list_page(
    connection: sa.Connection,
    request: pb.ListRunsRequest,
    projects: Sequence[str],
    limit: int,
    before: int | None,
) -> tuple[list[sa.RowMapping], int | None]:
    """A page of rows, newest first, and where the next one begins (None at the end).

    Args:
        connection: An open transaction.
        request: What to leave out; its limit and token are not read.
        projects: Only these; empty means all.
        limit: Rows of the page.
        before: What the page before gave; None for the first.
    """
    given = {"project": request.project, "domain": request.domain, "target_name": request.target}
    query = _rows().where(*(runs.c[key] == value for key, value in given.items() if value))
    if request.phases:
        query = query.where(runs.c.phase.in_(list(request.phases)))
    if projects:
        query = query.where(runs.c.project.in_(list(projects)))
    if before is not None:
        query = query.where(runs.c.number < before)
    rows = list(connection.execute(query.order_by(runs.c.number.desc()).limit(limit + 1)).mappings())
    return rows[:limit], (rows[limit - 1]["number"] if len(rows) > limit else None)


def abort(connection: sa.Connection, row: sa.RowMapping, reason: str) -> None:
    """Asks for a run's end; one that no cluster works on ends here and now. The row must be locked."""
    if row["phase"] in TERMINAL or row["abort_requested"]:
        return
    change = {"abort_requested": True, "abort_reason": reason, "change": runs.c.change + 1}
    connection.execute(sa.update(runs).where(runs.c.uid == row["uid"]).values(change))
    notify(connection, QUEUE)
    notify(connection, run_topic(row["uid"]))
    if row["cluster_uid"] is None:
        end_unclaimed(connection)


def end_unclaimed(connection: sa.Connection) -> None:
    """Makes ABORTED what is to be aborted and has no cluster that could do it."""
    waiting = (runs.c.abort_requested, runs.c.cluster_uid.is_(None), IS_ACTIVE)
    rows = connection.execute(sa.select(runs.c.uid, runs.c.state).where(*waiting).with_for_update()).all()
    for uid, body in rows:
        state = run_pb2.RunState.FromString(bytes(body))
        state.phase = run_pb2.RUN_PHASE_ABORTED
        state.finished_at.GetCurrentTime()
        values = {"phase": state.phase, "state": state.SerializeToString(), "change": runs.c.change + 1}
        connection.execute(sa.update(runs).where(runs.c.uid == uid).values(values))
        notify(connection, run_topic(uid))


def abort_orphans(connection: sa.Connection) -> None:
    """Asks for the end of children whose parent has ended or is gone: nobody waits for them any more."""
    for uid in connection.execute(_ORPHANS).scalars().all():
        row = get(connection, uid, lock=True)
        if row is not None:
            abort(connection, row, f"run '{row['parent_name']}', which made it, is over")


def delete(connection: sa.Connection, uid: str) -> None:
    """Forgets a run and its snapshots; what it uses is its users' from now on."""
    uses.hand_on(connection, uid)
    connection.execute(sa.delete(runs).where(runs.c.uid == uid))
    notify(connection, run_topic(uid))
    notify(connection, QUEUE)


def to_message(row: Row, url: str) -> pb.Run:
    """A row as a Run; `url` is the page that shows it."""
    created_at = Timestamp()
    created_at.FromDatetime(row["created_at"])
    reuse = reuse_of(row)
    return pb.Run(
        uid=row["uid"],
        project=row["project"],
        domain=row["domain"],
        name=row["name"],
        target=pb.EntityId(
            kind=row["target_kind"],
            project=row["project"],
            domain=row["domain"],
            name=row["target_name"],
            version=row["target_version"],
        ),
        state=run_pb2.RunState.FromString(bytes(row["state"])),
        created_at=created_at,
        created_by=row["created_by"],
        labels=row["labels"],
        url=url,
        cluster=row["cluster_name"] or "",
        abort_requested=row["abort_requested"],
        abort_reason=row["abort_reason"],
        parent=parent_of(row),
        priority=row["priority"],
        max_parallelism=row["max_parallelism"],
        resumed_from="" if reuse is None else reuse.run_name,
    )


def reuse_of(row: Row) -> run_pb2.Reuse | None:
    """What a run takes from an earlier one; None for a run from the start."""
    return None if row["reuse"] is None else run_pb2.Reuse.FromString(bytes(row["reuse"]))


def parent_of(row: Row) -> run_pb2.ParentRun | None:
    """The run and node that a run was made for; None where a person made it."""
    if row["parent_uid"] is None:
        return None
    return run_pb2.ParentRun(
        run_uid=row["parent_uid"],
        run_name=row["parent_name"],
        node_path=row["parent_node"],
        depth=row["depth"],
    )


def _rows() -> sa.Select[tuple[object, ...]]:
    joined = runs.outerjoin(clusters, clusters.c.uid == runs.c.cluster_uid)
    return sa.select(runs, clusters.c.name.label("cluster_name")).select_from(joined)
