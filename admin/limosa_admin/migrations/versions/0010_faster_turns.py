"""A claim asks once for everything it decides on, reads half as much of the queue, and leaves less behind."""

from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

_WAITING = (
    "r.phase NOT IN (5, 6, 7) AND r.cluster_uid IS NULL AND NOT r.abort_requested AND r.parent_uid IS NULL"
)
_HEAD = "r.project, r.domain, r.lane, r.uid, r.priority, r.number, r.lane_limit"
_ORDER = "r.project, r.domain, r.lane, r.priority DESC, r.number"
_SERVED = (
    "(namespaces = '{}' OR l.project || '-' || l.domain = ANY (namespaces)) "
    "AND (projects = '{}' OR l.project = ANY (projects))"
)
# The look-up that finds a lane finds its head as well.
_LANES = f"""
        WITH RECURSIVE lanes AS (
            (SELECT {_HEAD} FROM runs r WHERE {_WAITING} ORDER BY {_ORDER} LIMIT 1)
            UNION ALL
            SELECT following.* FROM lanes AS l, LATERAL (
                SELECT {_HEAD} FROM runs r
                 WHERE {_WAITING} AND (r.project, r.domain, r.lane) > (l.project, l.domain, l.lane)
                 ORDER BY {_ORDER} LIMIT 1) AS following
        )
"""


def upgrade() -> None:
    op.execute(f"""
    CREATE OR REPLACE FUNCTION queue_heads(ahead integer, namespaces text[], projects text[])
    RETURNS TABLE (project text, domain text, lane text, uid text, priority integer, number bigint, lane_limit integer)
    LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
    BEGIN
        IF ahead = 1 THEN
            RETURN QUERY {_LANES} SELECT l.* FROM lanes AS l WHERE {_SERVED};
            RETURN;
        END IF;
        RETURN QUERY {_LANES}
        SELECT l.project, l.domain, l.lane, head.uid, head.priority, head.number, head.lane_limit
          FROM lanes AS l, LATERAL (
                SELECT r.uid, r.priority, r.number, r.lane_limit FROM runs r
                 WHERE {_WAITING} AND r.project = l.project AND r.domain = l.domain AND r.lane = l.lane
                 ORDER BY r.priority DESC, r.number LIMIT ahead) AS head
         WHERE {_SERVED}
         ORDER BY l.project, l.domain, l.lane, head.priority DESC, head.number;
    END $$
    """)
    # Rows of three kinds: heads of lanes, waiting children, and what is under way. The last is read under the lock that
    # claims are made under, which is taken only where somebody waits.
    op.execute("""
    CREATE FUNCTION queue_turns(cluster text, ahead integer, namespaces text[], projects text[], claiming bigint)
    RETURNS TABLE (kind text, project text, domain text, lane text, uid text, priority integer, number bigint,
                   lane_limit integer, depth smallint, held bigint)
    LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $$
    DECLARE
        somebody boolean := false;
    BEGIN
        IF ahead > 0 THEN
            RETURN QUERY SELECT 'head', h.project, h.domain, h.lane, h.uid, h.priority, h.number, h.lane_limit,
                                0::smallint, 0::bigint
                           FROM queue_heads(ahead, namespaces, projects) AS h;
            somebody := FOUND;
        END IF;
        RETURN QUERY SELECT 'child', c.project, c.domain, c.lane, c.uid, 0, 0::bigint, c.lane_limit, c.depth, 0::bigint
                       FROM queue_children(cluster) AS c;
        somebody := somebody OR FOUND;
        IF somebody THEN
            PERFORM pg_advisory_xact_lock(claiming);
            RETURN QUERY SELECT 'held', r.project, r.domain, r.lane, '', 0, 0::bigint, 0, 0::smallint, count(*)
                           FROM runs r WHERE r.phase NOT IN (5, 6, 7) AND r.phase <> 8 AND r.cluster_uid IS NOT NULL
                          GROUP BY r.project, r.domain, r.lane;
        END IF;
    END $$
    """)
    # What waits is in other indexes; in this one it was only written.
    op.execute("DROP INDEX runs_active")
    op.execute(
        "CREATE INDEX runs_active ON runs (cluster_uid) WHERE phase NOT IN (5, 6, 7) AND cluster_uid IS NOT NULL"
    )
    # Claimed runs are dead entries at the heads of lanes, which every claim walks past until they are swept: a fifth of a long
    # queue, which is the default, would be too many. Free space lets a change of state stay on its page.
    op.execute("""
    ALTER TABLE runs SET (
        autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000, fillfactor = 85
    )
    """)
