import concurrent.futures

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from limosa_admin.store import claims
from limosa_admin.store.database import Database, SchemaError
from limosa_admin.store.migrating import alembic_config, migrate
from limosa_admin.store.queue import Scope
from limosa_admin.store.schema import HEAD, metadata


def test_migrations_lead_to_the_metadata(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert ScriptDirectory.from_config(alembic_config(connection)).get_current_head() == HEAD
    database.check_schema()
    database.close()


def test_an_unmigrated_database_is_refused_with_the_remedy(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with pytest.raises(SchemaError, match="limosa_admin migrate"):
        database.check_schema()
    database.close()


def test_processes_that_migrate_together_wait_for_each_other(empty_database_url: str) -> None:
    databases = [Database(empty_database_url) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(migrate, databases))
    with databases[0].transaction() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM server")).scalar() == 1
    for database in databases:
        database.close()


def test_a_queue_filled_before_an_upgrade_is_claimed_from_after_it(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database, "0011")
    with database.transaction() as connection:
        connection.execute(sa.text("INSERT INTO specs VALUES ('digest', '')"))
        connection.execute(sa.text("INSERT INTO clusters VALUES ('c1', 'c1', now(), 5)"))
        connection.execute(sa.text(_RUNS))
    migrate(database)
    scope = Scope((), ())
    taken = claims.claim(database, "c1", claims.Slots(3), claims.ClaimRules(0, scope))
    assert sorted(taken) == ["queued-0", "queued-1", "queued-2"]
    database.close()


_RUNS = """
INSERT INTO runs (uid, project, domain, name, request_digest, target_kind, target_name, target_version, closure_digest,
                  inputs, labels, annotations, created_by, phase, state, state_seq, cluster_uid, epoch_generation,
                  epoch_number, abort_requested, abort_reason, change)
SELECT name, 'demo', 'development', name, '', 2, 'demo.wf', 'v1', 'digest', '', '{}', '{}', 'me', phase, '', -1,
       cluster_uid, 0, 0, false, '', 0
  FROM (SELECT 'queued-' || n AS name, 1 AS phase, NULL AS cluster_uid FROM generate_series(0, 5) AS n
         UNION ALL SELECT 'running', 3, 'c1'
         UNION ALL SELECT 'ended', 5, 'c1') AS made
"""
