"""Whose turn it is: waiting runs in the order in which a cluster takes them.

Of project-domains the one with the fewest runs under way comes first; within it the greatest priority, then the oldest.
A project-domain's runs of a launch plan with a limit of its own stand in a lane of their own, so that a full one holds
up nobody else. However long the queue is, only the heads of its lanes are read.
"""

import dataclasses
import heapq
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from limosa_admin.store import runs as run_store
from limosa_admin.store.queue import Scope
from limosa_admin.store.schema import runs

Place = tuple[str, str]
"""Project, domain."""
LaneName = tuple[str, str, str]
"""Project, domain, launch plan with a limit of its own or empty."""

_HEADS = sa.text("SELECT * FROM queue_heads(:ahead, CAST(:namespaces AS text[]), CAST(:projects AS text[]))")
_TURNS = sa.text(
    "SELECT * FROM queue_turns(:cluster, :ahead, CAST(:namespaces AS text[]), CAST(:projects AS text[]), :claiming)"
)
_CLAIMING = 0x11305B
"""Advisory lock under which claims are made, so that limits hold."""
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
class Candidate:
    """A waiting run."""

    uid: str
    priority: int
    number: int


@dataclasses.dataclass
class Lane:
    """The head of a lane.

    Attributes:
        name: Of the lane.
        limit: Runs of it under way at a time; 0: no limit of its own.
        waiting: Its first runs, in their order.
        whole: There are no more than those.
    """

    name: LaneName
    limit: int
    waiting: deque[Candidate]
    whole: bool

    @property
    def place(self) -> Place:
        """Its project-domain."""
        return self.name[:2]


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


@dataclasses.dataclass(frozen=True)
class Turns:
    """Everything that is known when a claim begins.

    Attributes:
        lanes: Their heads; children are in none.
        children: Of the cluster's runs, those that wait, deepest first: what was begun is finished first.
        busy: What clusters work on. Where anybody waits, it stays true until the transaction ends.
    """

    lanes: list[Lane]
    children: list[sa.Row[Any]]
    busy: UnderWay


def read(connection: sa.Connection, cluster_uid: str, scope: Scope, ahead: int) -> Turns:
    """Who waits, with the first `ahead` runs of every lane (0: of none), and what is under way."""
    given = {"cluster": cluster_uid, "claiming": _CLAIMING, **_given(scope, ahead)}
    heads_found, children, busy = [], [], UnderWay(Counter(), Counter())
    for row in connection.execute(_TURNS, given).all():
        kind, project, domain, lane, *head, _depth, held = row
        if kind == "head":
            heads_found.append((project, domain, lane, *head))
        elif kind == "child":
            children.append(row)
        else:
            busy.lanes[project, domain, lane] = held
            busy.places[project, domain] += held
    return Turns(_lanes(heads_found, ahead), children, busy)


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


def heads(connection: sa.Connection, scope: Scope, ahead: int) -> list[Lane]:
    """The first `ahead` runs of every lane that a cluster may take from; children are in none."""
    return _lanes(connection.execute(_HEADS, _given(scope, ahead)).all(), ahead)


def choose(lanes: Iterable[Lane], busy: UnderWay, slots: int, place_limit: int) -> tuple[list[str], bool]:
    """Up to `slots` uids in order of their turns, and whether more could be told by reading further ahead.

    Takes what it chooses out of `lanes`, and adds it to `busy`.
    """
    by_place: dict[Place, list[Lane]] = {}
    for lane in lanes:
        by_place.setdefault(lane.place, []).append(lane)
    turns: list[tuple[int, int, int, Place]] = []

    def line_up(place: Place) -> None:
        best = _best(by_place[place], busy, place_limit)
        if best is not None:
            first = best.waiting[0]
            heapq.heappush(turns, (busy.places[place], -first.priority, first.number, place))

    for place in by_place:
        line_up(place)
    chosen: list[str] = []
    while turns and len(chosen) < slots:
        place = heapq.heappop(turns)[3]
        best = _best(by_place[place], busy, place_limit)
        if best is None:
            continue
        chosen.append(best.waiting.popleft().uid)
        busy.add(best.name)
        if not best.waiting and not best.whole:
            # Who comes next in this lane is not known: to go on without it would not be fair.
            return chosen, len(chosen) < slots
        line_up(place)
    return chosen, False


def _given(scope: Scope, ahead: int) -> dict[str, object]:
    return {"ahead": ahead, "namespaces": list(scope.namespaces), "projects": list(scope.projects)}


def _lanes(rows: Iterable[Sequence[Any]], ahead: int) -> list[Lane]:
    lanes: dict[LaneName, Lane] = {}
    for project, domain, lane, uid, priority, number, limit in rows:
        # All runs of a lane have its limit as it was when they were made; the first one's counts.
        found = lanes.setdefault((project, domain, lane), Lane((project, domain, lane), limit, deque(), True))
        found.waiting.append(Candidate(uid, priority, number))
    for found in lanes.values():
        found.whole = len(found.waiting) < ahead
    return list(lanes.values())


def _best(lanes: Sequence[Lane], busy: UnderWay, place_limit: int) -> Lane | None:
    open_lanes = [
        lane for lane in lanes if lane.waiting and not busy.is_full(lane.name, lane.limit, place_limit)
    ]
    return min(open_lanes, key=lambda lane: (-lane.waiting[0].priority, lane.waiting[0].number), default=None)


def _depths(connection: sa.Connection, cluster_uid: str) -> Counter[int]:
    """Children that a cluster works on, PARKED ones left out, by depth."""
    held = (run_store.HOLDS_SLOT, runs.c.cluster_uid == cluster_uid, runs.c.parent_uid.is_not(None))
    query = sa.select(runs.c.depth, sa.func.count().label("count")).where(*held).group_by(runs.c.depth)
    return Counter({row.depth: row.count for row in connection.execute(query)})
