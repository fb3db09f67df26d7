"""Who stands first in the queue, as functions: their plans are made once a connection, not once a claim."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WAITING = (
    "r.phase NOT IN (5, 6, 7) AND r.cluster_uid IS NULL AND NOT r.abort_requested AND r.parent_uid IS NULL"
)


def upgrade() -> None:
    op.execute(f"""
    CREATE FUNCTION queue_heads(ahead integer, namespaces text[], projects text[])
    RETURNS TABLE (project text, domain text, lane text, uid text, priority integer, number bigint, lane_limit integer)
    LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
    BEGIN
        RETURN QUERY
        WITH RECURSIVE lanes AS (
            (SELECT r.project, r.domain, r.lane FROM runs r
              WHERE {_WAITING} ORDER BY r.project, r.domain, r.lane LIMIT 1)
            UNION ALL
            SELECT following.* FROM lanes AS l, LATERAL (
                SELECT r.project, r.domain, r.lane FROM runs r
                 WHERE {_WAITING} AND (r.project, r.domain, r.lane) > (l.project, l.domain, l.lane)
                 ORDER BY r.project, r.domain, r.lane LIMIT 1) AS following
        )
        SELECT l.project, l.domain, l.lane, head.uid, head.priority, head.number, head.lane_limit
          FROM lanes AS l, LATERAL (
                SELECT r.uid, r.priority, r.number, r.lane_limit FROM runs r
                 WHERE {_WAITING} AND r.project = l.project AND r.domain = l.domain AND r.lane = l.lane
                 ORDER BY r.priority DESC, r.number LIMIT ahead) AS head
         WHERE (namespaces = '{{}}' OR l.project || '-' || l.domain = ANY (namespaces))
           AND (projects = '{{}}' OR l.project = ANY (projects))
         ORDER BY l.project, l.domain, l.lane, head.priority DESC, head.number;
    END $$
    """)
    op.execute("""
    CREATE FUNCTION queue_children(cluster text)
    RETURNS TABLE (uid text, project text, domain text, lane text, lane_limit integer, depth smallint)
    LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
    BEGIN
        RETURN QUERY
        SELECT child.uid, child.project, child.domain, child.lane, child.lane_limit, child.depth
          FROM runs AS child JOIN runs AS parent ON parent.uid = child.parent_uid
         WHERE child.phase NOT IN (5, 6, 7) AND child.parent_uid IS NOT NULL AND child.cluster_uid IS NULL
           AND NOT child.abort_requested AND parent.cluster_uid = cluster
         ORDER BY child.depth DESC, child.priority DESC, child.number;
    END $$
    """)
