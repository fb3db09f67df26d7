"""The cache: which commit has the result of a key, and who is making the ones that none has yet.

Every function takes a batch and runs a fixed number of statements. Rows are locked in the order of their keys, so that two
batches cannot lock each other out.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from limosa_admin.store import uses
from limosa_admin.store.schema import cache_entries, cache_reservations, runs
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb

Place = tuple[str, str, str]
"""Project, domain and key."""
Holder = tuple[str, str, int]
"""Run uid, node path, index or -1."""
Lookup = pb.LookupCacheRequest.Lookup
Answer = pb.LookupCacheResponse.Answer
Result = pb.StoreCacheRequest.Result

_PLACES = """unnest(CAST(:project AS text[]), CAST(:domain AS text[]), CAST(:key AS text[])"""
_FORGET = sa.text(f"""
DELETE FROM cache_entries AS e USING {_PLACES}, CAST(:uri AS text[])) AS a (project, domain, key, uri)
 WHERE (e.project, e.domain, e.key, e.commit_uri) = (a.project, a.domain, a.key, a.uri)
""")
_USE = sa.text(f"""
WITH locked AS (
    SELECT e.project, e.domain, e.key, a.times
      FROM cache_entries AS e
      JOIN {_PLACES}, CAST(:times AS int[])) AS a (project, domain, key, times) USING (project, domain, key)
     ORDER BY e.project, e.domain, e.key
       FOR UPDATE OF e)
UPDATE cache_entries AS e SET hits = e.hits + locked.times, last_used_at = now()
  FROM locked
 WHERE (e.project, e.domain, e.key) = (locked.project, locked.domain, locked.key)
RETURNING e.project, e.domain, e.key, e.commit_uri, e.run_name, e.run_uid
""")
_RESERVE = sa.text(f"""
INSERT INTO cache_reservations AS old
       (project, domain, key, task, run_uid, run_name, node_path, index, expires_at)
SELECT a.*, now() + make_interval(secs => :seconds)
  FROM {_PLACES}, CAST(:task AS text[]), CAST(:run_uid AS text[]), CAST(:run_name AS text[]),
              CAST(:node_path AS text[]), CAST(:index AS int[])) AS a
ON CONFLICT (project, domain, key) DO UPDATE
   SET task = excluded.task, run_uid = excluded.run_uid, run_name = excluded.run_name,
       node_path = excluded.node_path, index = excluded.index, expires_at = excluded.expires_at
 WHERE old.expires_at < now()
    OR (old.run_uid, old.node_path, old.index) = (excluded.run_uid, excluded.node_path, excluded.index)
RETURNING old.project, old.domain, old.key
""")
_HELD = f"""
  FROM {_PLACES}, CAST(:run_uid AS text[]), CAST(:node_path AS text[]), CAST(:index AS int[]))
    AS a (project, domain, key, run_uid, node_path, index)
 WHERE (r.project, r.domain, r.key, r.run_uid, r.node_path, r.index)
     = (a.project, a.domain, a.key, a.run_uid, a.node_path, a.index)
"""
_RENEW = sa.text(
    f"UPDATE cache_reservations AS r SET expires_at = now() + make_interval(secs => :seconds) {_HELD}"
    " RETURNING r.project, r.domain, r.key, r.run_uid, r.node_path, r.index"
)
_RELEASE = sa.text(f"DELETE FROM cache_reservations AS r {_HELD.replace('FROM', 'USING', 1)}")
_STORE = """
INSERT INTO cache_entries AS old
       (project, domain, key, task, cache_version, run_uid, run_name, node_path, index, commit_uri)
SELECT * FROM {places}, CAST(:task AS text[]), CAST(:version AS text[]), CAST(:run_uid AS text[]),
              CAST(:run_name AS text[]), CAST(:node_path AS text[]), CAST(:index AS int[]),
              CAST(:uri AS text[]))
ON CONFLICT (project, domain, key) DO {conflict}
"""
_ADD = sa.text(_STORE.format(places=_PLACES, conflict="NOTHING"))
_REPLACE = sa.text(
    _STORE.format(
        places=_PLACES,
        conflict="""UPDATE
   SET task = excluded.task, cache_version = excluded.cache_version, run_uid = excluded.run_uid,
       run_name = excluded.run_name, node_path = excluded.node_path, index = excluded.index,
       commit_uri = excluded.commit_uri, created_at = now(), hits = 0, last_used_at = NULL
 WHERE old.commit_uri <> excluded.commit_uri""",
    )
)


class _Hit(NamedTuple):
    uri: str
    """Of the commit."""
    run: str
    """Name of the run that made it."""
    uid: str


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as the cache knows it."""

    project: str
    domain: str
    name: str


def known_runs(connection: sa.Connection, cluster_uid: str, uids: Iterable[str]) -> Mapping[str, Run]:
    """Of these runs those that the cluster has the claim of; of others it has nothing to say."""
    where = (runs.c.uid.in_(list(set(uids))), runs.c.cluster_uid == cluster_uid)
    query = sa.select(runs.c.uid, runs.c.project, runs.c.domain, runs.c.name).where(*where)
    return {uid: Run(*rest) for uid, *rest in connection.execute(query)}


def look_up(
    connection: sa.Connection, known: Mapping[str, Run], lookups: Sequence[Lookup], reservation_s: float
) -> list[Answer]:
    """Says of each lookup who has the result, or makes it; reserves what is asked for. Unknown runs' are misses.

    Args:
        connection: An open transaction.
        known: Runs by uid.
        lookups: What is asked.
        reservation_s: How long a reservation lasts unless it is renewed.
    """
    places = [_place(known[one.run_uid], one.key) if one.run_uid in known else None for one in lookups]
    asked = [(place, one) for place, one in zip(places, lookups, strict=True) if place is not None]
    _forget(connection, asked)
    hits = _use(connection, Counter(place for place, _ in asked))
    makers = _reserve(connection, known, [pair for pair in asked if pair[0] not in hits], reservation_s)
    # Whoever made the result may have stored it, and let its reservation go, between the two statements.
    late = _use(connection, Counter(list(makers)))
    _release(connection, [(place, makers[place]) for place in late])
    hits.update(late)
    uses.note(connection, ((one.run_uid, hits[place].uid) for place, one in asked if place in hits))
    taken = _holders(
        connection,
        [place for place, one in asked if one.reserve and place not in hits and place not in makers],
    )
    answers = []
    for place, one in zip(places, lookups, strict=True):
        if place is None:
            answers.append(Answer(outcome=Answer.OUTCOME_MISS))
        elif place in hits:
            hit = hits[place]
            answers.append(Answer(outcome=Answer.OUTCOME_HIT, commit_uri=hit.uri, run_name=hit.run))
        elif not one.reserve:
            answers.append(Answer(outcome=Answer.OUTCOME_MISS))
        elif makers.get(place) == _holder(one):
            answers.append(Answer(outcome=Answer.OUTCOME_RESERVED))
        else:
            maker = makers.get(place)
            holder = _told(known[maker[0]].name, *maker[1:]) if maker else taken.get(place, "another run")
            answers.append(Answer(outcome=Answer.OUTCOME_TAKEN, holder=holder))
    return answers


def store(
    connection: sa.Connection, known: Mapping[str, Run], results: Sequence[Result], reservation_s: float
) -> list[int]:
    """Keeps results, renews and gives up reservations; returns the positions of renewals that came too late."""
    made: dict[bool, dict[Place, Result]] = {True: {}, False: {}}
    released: list[tuple[Place, Holder]] = []
    renewed: dict[tuple[Place, Holder], int] = {}
    for position, result in enumerate(results):
        if result.run_uid not in known:
            continue
        place = _place(known[result.run_uid], result.key)
        if result.commit_uri:
            made[result.overwrite].setdefault(place, result)
        if result.commit_uri or not result.renew:
            released.append((place, _holder(result)))
        else:
            renewed[place, _holder(result)] = position
    for overwrite, statement in ((False, _ADD), (True, _REPLACE)):
        _put(connection, known, made[overwrite], statement)
    _release(connection, released)
    kept = _renew(connection, list(renewed), reservation_s)
    return sorted(position for pair, position in renewed.items() if pair not in kept)


def forget_run(connection: sa.Connection, run_uid: str) -> None:
    """The run's results go, and what it makes nobody waits for. Whoever is about to take one of them is waited for."""
    connection.execute(sa.delete(cache_entries).where(cache_entries.c.run_uid == run_uid))
    release_runs(connection, [run_uid])


def release_runs(connection: sa.Connection, run_uids: Iterable[str]) -> None:
    """What these runs have reserved others may make."""
    wanted = list(run_uids)
    if wanted:
        connection.execute(sa.delete(cache_reservations).where(cache_reservations.c.run_uid.in_(wanted)))


def list_page(
    connection: sa.Connection, request: pb.ListCacheRequest, limit: int, before: int | None
) -> tuple[list[pb.CacheEntry], int | None]:
    """A page of results, newest first, and where the next one begins (None at the end)."""
    given = {"project": request.project, "domain": request.domain, "task": request.task}
    where = [cache_entries.c[name] == value for name, value in given.items() if value]
    if before is not None:
        where.append(cache_entries.c.number < before)
    query = sa.select(cache_entries).where(*where).order_by(cache_entries.c.number.desc()).limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    following = rows[limit - 1]["number"] if len(rows) > limit else None
    return [_message(row) for row in rows[:limit]], following


def invalidate(connection: sa.Connection, request: pb.InvalidateCacheRequest) -> int:
    """Forgets what matches all that is given; returns how many results were forgotten."""
    given = {"project": request.project, "domain": request.domain, "task": request.task, "key": request.key}
    wanted = {name: value for name, value in given.items() if value}
    where = [cache_entries.c[name] == value for name, value in wanted.items()]
    if request.cache_version:
        where.append(cache_entries.c.cache_version == request.cache_version)
    return connection.execute(sa.delete(cache_entries).where(*where)).rowcount


def _forget(connection: sa.Connection, asked: Sequence[tuple[Place, Lookup]]) -> None:
    gone = sorted({(*place, one.gone_uri) for place, one in asked if one.gone_uri})
    if gone:
        connection.execute(_FORGET, {**_columns([row[:3] for row in gone]), "uri": [row[3] for row in gone]})


def _use(connection: sa.Connection, times: Counter[Place]) -> dict[Place, _Hit]:
    """What the places have that have a result; each counts as used so many times."""
    if not times:
        return {}
    wanted = sorted(times)
    found = connection.execute(_USE, {**_columns(wanted), "times": [times[place] for place in wanted]})
    return {(row[0], row[1], row[2]): _Hit(*row[3:]) for row in found}


def _reserve(
    connection: sa.Connection, known: Mapping[str, Run], asked: Sequence[tuple[Place, Lookup]], seconds: float
) -> dict[Place, Holder]:
    """The holders of the places that are reserved now; the first who asks for a place gets it."""
    first: dict[Place, Lookup] = {}
    for place, one in asked:
        if one.reserve:
            first.setdefault(place, one)
    if not first:
        return {}
    wanted = sorted(first)
    rows = [first[place] for place in wanted]
    values = {
        **_columns(wanted),
        "task": [one.task for one in rows],
        "run_uid": [one.run_uid for one in rows],
        "run_name": [known[one.run_uid].name for one in rows],
        "node_path": [one.node_path for one in rows],
        "index": [_holder(one)[2] for one in rows],
        "seconds": seconds,
    }
    got = connection.execute(_RESERVE, values)
    return {(row[0], row[1], row[2]): _holder(first[row[0], row[1], row[2]]) for row in got}


def _holders(connection: sa.Connection, places: Sequence[Place]) -> dict[Place, str]:
    if not places:
        return {}
    table = cache_reservations.c
    key = sa.tuple_(table.project, table.domain, table.key)
    columns = (table.project, table.domain, table.key, table.run_name, table.node_path, table.index)
    found = connection.execute(sa.select(*columns).where(key.in_(sorted(set(places)))))
    return {(row[0], row[1], row[2]): _told(*row[3:]) for row in found}


def _put(
    connection: sa.Connection,
    known: Mapping[str, Run],
    made: Mapping[Place, Result],
    statement: sa.TextClause,
) -> None:
    if not made:
        return
    wanted = sorted(made)
    rows = [made[place] for place in wanted]
    values = {
        **_columns(wanted),
        "task": [one.task for one in rows],
        "version": [one.cache_version for one in rows],
        "run_uid": [one.run_uid for one in rows],
        "run_name": [known[one.run_uid].name for one in rows],
        "node_path": [one.node_path for one in rows],
        "index": [_holder(one)[2] for one in rows],
        "uri": [one.commit_uri for one in rows],
    }
    connection.execute(statement, values)


def _release(connection: sa.Connection, held: Iterable[tuple[Place, Holder]]) -> None:
    pairs = sorted(set(held))
    if pairs:
        connection.execute(_RELEASE, _pairs(pairs))


def _renew(
    connection: sa.Connection, held: Sequence[tuple[Place, Holder]], seconds: float
) -> set[tuple[Place, Holder]]:
    if not held:
        return set()
    found = connection.execute(_RENEW, {**_pairs(sorted(held)), "seconds": seconds})
    return {((row[0], row[1], row[2]), (row[3], row[4], row[5])) for row in found}


def _pairs(held: Sequence[tuple[Place, Holder]]) -> dict[str, object]:
    holders = [holder for _, holder in held]
    columns = zip(*holders, strict=True)
    return {
        **_columns([place for place, _ in held]),
        **dict(zip(("run_uid", "node_path", "index"), map(list, columns), strict=True)),
    }


def _columns(places: Sequence[Place]) -> dict[str, object]:
    return {name: [place[at] for place in places] for at, name in enumerate(("project", "domain", "key"))}


def _place(run: Run, key: str) -> Place:
    return run.project, run.domain, key


def _holder(one: Lookup | Result) -> Holder:
    return one.run_uid, one.node_path, one.index if one.HasField("index") else -1


def _told(run: str, node_path: str, index: int) -> str:
    return f"run {run}, node {node_path}" + (f"[{index}]" if index >= 0 else "")


def _message(row: sa.RowMapping) -> pb.CacheEntry:
    same = ("project", "domain", "task", "key", "cache_version", "run_name", "node_path", "hits")
    entry = pb.CacheEntry(**{name: row[name] for name in same})
    if row["index"] >= 0:
        entry.index = row["index"]
    entry.created_at.FromDatetime(row["created_at"])
    if row["last_used_at"] is not None:
        entry.last_used_at.FromDatetime(row["last_used_at"])
    return entry
