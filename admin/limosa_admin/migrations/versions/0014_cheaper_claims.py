"""A claim reads the heads of the lanes once, by a short key, and changes fewer indexes."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_WAITING = (
    "r.phase NOT IN (5, 6, 7) AND r.cluster_uid IS NULL AND NOT r.abort_requested AND r.parent_uid IS NULL"
)
# Stands for a lane in the order of the queue. To find a head, Postgres compares what shares its page of the index:
# numbers, in place of three texts. Should two lanes ever have the same one, the second waits for the first.
_KEY = "hashtextextended({0}project || '/' || {0}domain || '/' || {0}lane, 0)"
_OF_RUN = _KEY.format("r.")
_HEAD = f"{_OF_RUN} AS key, r.project, r.domain, r.lane, r.uid, r.priority, r.number, r.lane_limit"
_ORDER = f"{_OF_RUN}, r.priority DESC, r.number"
_SERVED = (
    "(namespaces = '{}' OR l.project || '-' || l.domain = ANY (namespaces)) "
    "AND (projects = '{}' OR l.project = ANY (projects))"
)
# Every lane with the run that stands first in it.
_LANES = f"""
        lanes AS (
            (SELECT {_HEAD} FROM runs r WHERE {_WAITING} ORDER BY {_ORDER} LIMIT 1)
            UNION ALL
            SELECT following.* FROM lanes AS l, LATERAL (
                SELECT {_HEAD} FROM runs r WHERE {_WAITING} AND {_OF_RUN} > l.key ORDER BY {_ORDER} LIMIT 1
            ) AS following
        )
"""
# The lanes that a cluster may take runs of, with what is under way in their project-domains, and the room that is left:
#   least: no further run than there are slots, than its lane may have, than its project-domain may have
# Sorted, not joined: how many lanes there will be is unknown when this is planned, and it is planned once.
_OPEN = f"""
        WITH RECURSIVE {_LANES},
        counted AS (
            SELECT l.*, 0 AS held FROM lanes AS l WHERE {_SERVED}
             UNION ALL
            SELECT NULL, r.project, r.domain, r.lane, NULL, NULL, NULL, NULL, count(*)::integer FROM runs r
             WHERE r.phase NOT IN (5, 6, 7) AND r.phase <> 8 AND r.cluster_uid IS NOT NULL
             GROUP BY r.project, r.domain, r.lane
        ),
        summed AS (
            SELECT c.*, sum(c.held) OVER (PARTITION BY c.project, c.domain) AS busy,
                   sum(c.held) OVER (PARTITION BY c.project, c.domain, c.lane) AS in_lane
              FROM counted AS c
        ),
        open AS (
            SELECT s.*, least(slots,
                              CASE WHEN s.lane_limit > 0 THEN s.lane_limit - s.in_lane ELSE slots END,
                              CASE WHEN place_limit > 0 THEN place_limit - s.busy ELSE slots END) AS room
              FROM summed AS s WHERE s.uid IS NOT NULL
        )
"""
# Gives the uids of runs that are the cluster's now. Where children of its runs wait, which come first, it gives NULL
# and takes nothing, if it is asked to look.
#   one slot:   the head of a lane; nobody behind one can come before it
#   candidates: the head of each lane, which is known, and as many runs behind it as there is room for
#   turns:      a project-domain's n-th candidate comes after as many runs of it as are under way, and n - 1 more
_CLAIM = f"""
    CREATE OR REPLACE FUNCTION queue_claim(cluster text, slots integer, most integer, place_limit integer,
                                           namespaces text[], projects text[], look boolean, claiming bigint,
                                           given_up integer)
    RETURNS SETOF text
    LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET jit = off AS $$
    DECLARE
        chosen text[];
    BEGIN
        IF look AND EXISTS (
            SELECT FROM runs AS child JOIN runs AS parent ON parent.uid = child.parent_uid
             WHERE child.phase NOT IN (5, 6, 7) AND child.parent_uid IS NOT NULL AND child.cluster_uid IS NULL
               AND NOT child.abort_requested AND parent.cluster_uid = cluster) THEN
            RETURN NEXT NULL;
            RETURN;
        END IF;
        IF slots <= 0 THEN
            RETURN;
        END IF;
        IF NOT pg_try_advisory_xact_lock(claiming) THEN
            -- To wait for others' claims is for those who find somebody: most calls find nobody.
            PERFORM FROM (WITH RECURSIVE {_LANES} SELECT FROM lanes AS l WHERE {_SERVED} LIMIT 1) AS somebody;
            IF NOT FOUND THEN
                RETURN;
            END IF;
            PERFORM pg_advisory_xact_lock(claiming);
        END IF;
        IF most IS NOT NULL THEN
            slots := least(slots, most - (
                SELECT count(*) FROM runs r
                 WHERE r.cluster_uid = cluster AND r.phase NOT IN (5, 6, 7) AND r.phase <> 8 AND r.parent_uid IS NULL));
        END IF;
        IF slots <= 0 THEN
            RETURN;
        END IF;
        IF slots = 1 THEN
            chosen := ARRAY({_OPEN}
                SELECT o.uid FROM open AS o WHERE o.room > 0 ORDER BY o.busy, o.priority DESC, o.number LIMIT 1);
        ELSE
            chosen := ARRAY({_OPEN},
                candidates AS (
                    SELECT o.project, o.domain, o.uid, o.priority, o.number, o.busy FROM open AS o WHERE o.room > 0
                     UNION ALL
                    SELECT o.project, o.domain, behind.uid, behind.priority, behind.number, o.busy FROM open AS o, LATERAL (
                        SELECT r.project, r.domain, r.lane, r.uid, r.priority, r.number FROM runs r
                         WHERE {_WAITING} AND {_OF_RUN} = o.key
                         ORDER BY {_ORDER} OFFSET 1 LIMIT greatest(o.room - 1, 0)) AS behind
                     WHERE behind.project = o.project AND behind.domain = o.domain AND behind.lane = o.lane
                ),
                turns AS (
                    SELECT c.*, c.busy + row_number() OVER (
                               PARTITION BY c.project, c.domain ORDER BY c.priority DESC, c.number) AS turn
                      FROM candidates AS c
                )
                SELECT t.uid FROM turns AS t WHERE place_limit = 0 OR t.turn <= place_limit
                 ORDER BY t.turn, t.priority DESC, t.number LIMIT slots);
        END IF;
        RETURN QUERY
        UPDATE runs
           SET cluster_uid = cluster, epoch_generation = (SELECT s.generation FROM server AS s),
               epoch_number = epoch_number + 1, state_seq = -1, change = change + 1
         WHERE ctid = ANY (ARRAY(
                   SELECT r.ctid FROM runs r
                    WHERE r.uid = ANY (chosen) AND {_WAITING}
                      AND NOT EXISTS (SELECT FROM clusters AS c WHERE c.uid = cluster AND c.free_slots = given_up)
                      FOR UPDATE OF r SKIP LOCKED))
        RETURNING uid;
    END $$
"""


def upgrade() -> None:
    op.execute("DROP INDEX runs_queue")
    op.execute(
        f"CREATE INDEX runs_queue ON runs ({_KEY.format('')}, priority DESC, number) WHERE {_WAITING.replace('r.', '')}"
    )
    op.execute(_CLAIM)
    # What clusters hold is read as a whole, for which runs_active does as well; every claim wrote both.
    op.execute("DROP INDEX runs_held")
    op.execute("DROP FUNCTION queue_turns, queue_heads")
