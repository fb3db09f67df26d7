"""Which runs refer to what others made: these stay until those have ended.

A run uses another when it took a cached result of it, resumes it, made it as a child, or was given the address of one of
its objects. What it takes may refer to what that run took in turn, so uses are followed from run to run.
"""

from collections.abc import Iterable

import sqlalchemy as sa

_DIRECT = """
LATERAL (SELECT run_uid FROM uses WHERE of_uid = users.uid
         UNION ALL SELECT uid FROM runs WHERE resumed_uid = users.uid
         UNION ALL SELECT parent_uid FROM runs WHERE uid = users.uid AND parent_uid IS NOT NULL) AS direct (uid)
"""
_NOTE = sa.text("""
INSERT INTO uses (run_uid, of_uid)
SELECT * FROM unnest(CAST(:run_uid AS text[]), CAST(:of_uid AS text[])) ON CONFLICT DO NOTHING
""")
_NEEDED_BY = sa.text(f"""
WITH RECURSIVE users (uid) AS (
    SELECT CAST(:uid AS text) UNION SELECT direct.uid FROM users, {_DIRECT})
SELECT runs.name FROM users JOIN runs USING (uid)
 WHERE runs.uid <> :uid AND runs.phase NOT IN (5, 6, 7) ORDER BY runs.number LIMIT 1
""")
# Users that are gone themselves are passed through to theirs. The run is handed on too: what its children made is found
# by its uid.
_HAND_ON = sa.text(f"""
WITH RECURSIVE users (uid) AS (
    SELECT CAST(:uid AS text)
     UNION
    SELECT direct.uid FROM users, {_DIRECT}
     WHERE users.uid = :uid OR NOT EXISTS (SELECT FROM runs WHERE runs.uid = users.uid)),
sources (uid) AS (
    SELECT CAST(:uid AS text)
     UNION SELECT of_uid FROM uses WHERE run_uid = :uid
     UNION SELECT resumed_uid FROM runs WHERE uid = :uid AND resumed_uid IS NOT NULL)
INSERT INTO uses (run_uid, of_uid)
SELECT runs.uid, sources.uid FROM users JOIN runs USING (uid) CROSS JOIN sources
 WHERE runs.uid <> :uid AND runs.uid <> sources.uid
   FOR KEY SHARE OF runs
    ON CONFLICT DO NOTHING
""")


def note(connection: sa.Connection, pairs: Iterable[tuple[str, str]]) -> None:
    """Keeps which runs use which others, as pairs of uids; what a run made itself does not count.

    The users must be there; what they use may be gone.
    """
    wanted = sorted({(run, of) for run, of in pairs if run != of})
    if wanted:
        users, of = zip(*wanted, strict=True)
        connection.execute(_NOTE, {"run_uid": list(users), "of_uid": list(of)})


def needed_by(connection: sa.Connection, run_uid: str) -> str:
    """Name of the oldest run under way that may refer to what this one made; empty where there is none."""
    return connection.execute(_NEEDED_BY, {"uid": run_uid}).scalar() or ""


def hand_on(connection: sa.Connection, run_uid: str) -> None:
    """Makes what a run uses its users' own, for it is about to be deleted: what they took from it stays theirs."""
    connection.execute(_HAND_ON, {"uid": run_uid})
