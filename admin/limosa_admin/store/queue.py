"""The queue: runs that no cluster works on, the clusters that may take them, and who comes first."""

import dataclasses
import datetime as dt
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from limosa_admin.store import runs as run_store
from limosa_admin.store.schema import clusters, runs
from limosa_model.names import namespace_of

MOST_COUNTED = 1000
"""Runs before another one are counted up to here; more are "more than"."""
IS_WAITING = sa.and_(runs.c.cluster_uid.is_(None), run_store.IS_ACTIVE, ~runs.c.abort_requested)


@dataclasses.dataclass(frozen=True)
class Scope:
    """Which runs a cluster may take.

    Attributes:
        namespaces: Project-domains it serves; empty: all.
        projects: Projects its operator's token is limited to; empty: all.
    """

    namespaces: tuple[str, ...]
    projects: tuple[str, ...]

    def has(self, project: str, domain: str) -> bool:
        """Whether runs of a place are among them."""
        served = not self.namespaces or namespace_of(project, domain) in self.namespaces
        return served and (not self.projects or project in self.projects)

    def waiting(self) -> sa.ColumnElement[bool]:
        """The same for rows: waiting runs that are among them."""
        found = IS_WAITING
        if self.namespaces:
            found = sa.and_(found, (runs.c.project + "-" + runs.c.domain).in_(self.namespaces))
        if self.projects:
            found = sa.and_(found, runs.c.project.in_(self.projects))
        return found


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster as it was when it last asked for work.

    Attributes:
        uid: uid of its kube-system namespace.
        name: For people.
        last_seen: When it asked.
        free_slots: Runs it could take then.
        scope: Which runs it may take.
    """

    uid: str
    name: str
    last_seen: dt.datetime
    free_slots: int
    scope: Scope


def known_clusters(connection: sa.Connection) -> tuple[list[Cluster], dt.datetime]:
    """Every cluster that ever asked for work, by name, and the database's time."""
    rows = connection.execute(sa.select(clusters).order_by(clusters.c.name, clusters.c.uid)).mappings()
    found = [
        Cluster(
            row["uid"],
            row["name"],
            row["last_seen"],
            row["free_slots"],
            Scope(tuple(row["serves"]), tuple(row["projects"])),
        )
        for row in rows
    ]
    return found, connection.execute(sa.select(sa.func.now())).scalar_one()


def counts_before(
    connection: sa.Connection, scopes: Collection[Scope], uids: Collection[str]
) -> Mapping[str, int | None]:
    """By uid, how many older runs wait for the same clusters; None: more than `MOST_COUNTED`.

    Args:
        connection: An open transaction.
        scopes: Of the clusters in question.
        uids: Runs that these may take; those that do not wait any more are left out.
    """
    rivals = sa.or_(sa.false(), *(scope.waiting() for scope in scopes))
    before = (sa.func.row_number().over(order_by=runs.c.number) - 1).label("before")
    first = (
        sa.select(runs.c.uid, before).where(rivals).order_by(runs.c.number).limit(MOST_COUNTED + 1).subquery()
    )
    joined = runs.outerjoin(first, first.c.uid == runs.c.uid)
    query = sa.select(runs.c.uid, first.c.before).select_from(joined)
    found = connection.execute(query.where(runs.c.uid.in_(list(uids)), IS_WAITING))
    return {row.uid: row.before for row in found}


def active_counts(
    connection: sa.Connection, places: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], int]:
    """How many runs of each (project, domain) clusters work on, parked ones left aside."""
    columns = (runs.c.project, runs.c.domain)
    query = (
        sa.select(*columns, sa.func.count())
        .where(run_store.HOLDS_SLOT, sa.tuple_(*columns).in_(list(places)))
        .group_by(*columns)
    )
    return {(project, domain): count for project, domain, count in connection.execute(query)}


def active_in_lanes(
    connection: sa.Connection, lanes: Collection[tuple[str, str, str]]
) -> Mapping[tuple[str, str, str], list[str]]:
    """By (project, domain, launch plan with a limit), the names of the runs that clusters work on, parked ones left aside."""
    columns = (runs.c.project, runs.c.domain, runs.c.lane)
    query = (
        sa.select(*columns, runs.c.name)
        .where(run_store.HOLDS_SLOT, sa.tuple_(*columns).in_(list(lanes)))
        .order_by(runs.c.number)
    )
    found: dict[tuple[str, str, str], list[str]] = {}
    for project, domain, lane, name in connection.execute(query):
        found.setdefault((project, domain, lane), []).append(name)
    return found
