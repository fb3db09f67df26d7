"""Whose turn it is: waiting runs in the order in which a cluster takes them.

Of project-domains the one with the fewest runs under way comes first; within it the greatest priority, then the oldest.
A project-domain's runs of a launch plan with a limit of its own stand in a lane of their own, so that a full one holds
up nobody else. However long the queue is, only the heads of its lanes are read; the function `queue_claim` does that, in
the newest migration that names it. Children of runs come before, and are chosen here.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from limosa_admin.store import runs as run_store
from limosa_admin.store.database import Database
from limosa_admin.store.queue import Scope
from limosa_admin.store.schema import runs

Place = tuple[str, str]
"""Project, domain."""
LaneName = tuple[str, str, str]
"""Project, domain, launch plan with a limit of its own or empty."""

CLAIMING = 0x11305B
"""Advisory lock under which claims are made, so that limits hold."""
_LOCK = sa.text("SELECT pg_advisory_xact_lock(:claiming)")
_CLAIM = "SELECT queue_claim($1, $2, $3, $4, $5, $6, $7, $8, $9) AS uid"
_CHILDREN = sa.text("SELECT * FROM queue_children(:cluster)")
_ANCESTORS = sa.text("""
WITH RECURSIVE up AS (
    SELECT uid AS child, parent_uid FROM runs WHERE uid = ANY (:uids)
    UNION ALL
    SELECT up.child, runs.parent_uid FROM up JOIN runs ON runs.uid = up.parent_uid
)
SELECT up.child, runs.lane FROM up JOIN runs ON runs.uid = up.parent_uid
 WHERE runs.phase NOT IN (5, 6, 7, 8) AND runs.cluster_uid IS NOT NULL
""")


@dataclasses.dataclass(frozen=True)
class Room:
    """How many runs a cluster takes.

    Attributes:
        slots: Of one claim.
        most: That it may hold at a time, children left aside, whichever of its operators has them; None: only `slots` counts.
        place_limit: Of one project-domain under way at a time; 0: no limit.
    """

    slots: int
    most: int | None
    place_limit: int


@dataclasses.dataclass
class UnderWay:
    """How many runs clusters work on, those that are PARKED left out; changed as further ones are chosen."""

    places: Counter[Place]
    lanes: Counter[LaneName]

    def add(self, name: LaneName) -> None:
        """One more run of a lane."""
        self.places[name[:2]] += 1
        self.lanes[name] += 1

    def is_full(
        self, name: LaneName, lane_limit: int, place_limit: int, own: tuple[int, int] = (0, 0)
    ) -> bool:
        """Whether a lane may have no further run now.

        Args:
            name: Of the lane.
            lane_limit: Of the lane; 0: none.
            place_limit: Of the project-domain; 0: none.
            own: Runs of the place and of the lane that wait for the one in question, and lend it their room.
        """
        full_place = place_limit > 0 and self.places[name[:2]] - own[0] >= place_limit
        return full_place or (lane_limit > 0 and self.lanes[name] - own[1] >= lane_limit)


def claim(
    database: Database,
    cluster_uid: str,
    room: Room,
    scope: Scope,
    *,
    look: bool,
    given_up: int,
) -> list[str] | None:
    """Makes the runs whose turn it is a cluster's, each in a new epoch, and gives their uids, once that is safe on the disk.

    A run that somebody changes at this moment is left out, and nobody takes its turn. It is one statement and one trip:
    others' claims wait no longer than that takes.

    Args:
        database: Where the queue is.
        cluster_uid: Whose they become.
        room: How many it takes at most.
        scope: Which runs it may take.
        look: See first whether children of its runs wait; where they do, nothing is taken, and None is given.
        given_up: Free slots of a cluster that may not claim.
    """
    places = list(scope.namespaces), list(scope.projects)
    given = (cluster_uid, room.slots, room.most, room.place_limit, *places, look, CLAIMING, given_up)
    found = [row.uid for row in database.single(_CLAIM, *given)]
    return None if found == [None] else found


def children(connection: sa.Connection, cluster_uid: str) -> list[sa.Row[Any]]:
    """Of a cluster's runs, the children that wait, deepest first: what was begun is finished first.

    No other claims are made until the transaction ends.
    """
    connection.execute(_LOCK, {"claiming": CLAIMING})
    return list(connection.execute(_CHILDREN, {"cluster": cluster_uid}))


def under_way(connection: sa.Connection) -> UnderWay:
    """What clusters work on now."""
    lane = (runs.c.project, runs.c.domain, runs.c.lane)
    query = sa.select(*lane, sa.func.count()).where(run_store.HOLDS_SLOT).group_by(*lane)
    found = UnderWay(Counter(), Counter())
    for project, domain, name, count in connection.execute(query):
        found.lanes[project, domain, name] = count
        found.places[project, domain] += count
    return found


def choose_children(
    connection: sa.Connection,
    cluster_uid: str,
    waiting: Sequence[sa.Row[Any]],
    slots: int,
    busy: UnderWay,
    place_limit: int,
) -> list[str]:
    """Those of the waiting children that the cluster takes now.

    They take none of the room of the runs that wait for them: of each depth there may be `slots` (0: any number), so that a
    cluster of one slot still finishes what nests.
    """
    if not waiting:
        return []
    own: dict[str, list[str]] = {row.uid: [] for row in waiting}
    for uid, lane in connection.execute(_ANCESTORS, {"uids": list(own)}):
        own[uid].append(lane)
    depths = _depths(connection, cluster_uid)
    chosen = []
    for row in waiting:
        name = (row.project, row.domain, row.lane)
        lent = len(own[row.uid]), own[row.uid].count(row.lane)
        if (slots and depths[row.depth] >= slots) or busy.is_full(name, row.lane_limit, place_limit, lent):
            continue
        busy.add(name)
        depths[row.depth] += 1
        chosen.append(row.uid)
    return chosen


def _depths(connection: sa.Connection, cluster_uid: str) -> Counter[int]:
    """Children that a cluster works on, PARKED ones left out, by depth."""
    held = (run_store.HOLDS_SLOT, runs.c.cluster_uid == cluster_uid, runs.c.parent_uid.is_not(None))
    query = sa.select(runs.c.depth, sa.func.count().label("count")).where(*held).group_by(runs.c.depth)
    return Counter({row.depth: row.count for row in connection.execute(query)})
