"""What submission remembers, and what it does where that has become wrong."""

import concurrent.futures
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from limosa_admin import submission
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.store import database as database_module
from limosa_admin.store.database import Database
from limosa_admin.targets import Targets
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb

PINNED = pb.CreateRunRequest(
    project="demo",
    domain="development",
    target=pb.EntityId(kind=pb.ENTITY_KIND_WORKFLOW, name="demo.wf", version="v1"),
)


@pytest.fixture
def statements(stand) -> Iterator[list[str]]:
    """The statements of transactions from now on."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        seen.append(statement)

    sa.event.listen(stand.database.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(stand.database.engine, "before_cursor_execute", note)


def test_what_is_registered_under_a_version_is_read_once(stand, statements) -> None:
    stand.register()
    targets = Targets(stand.database)
    first = targets.find(PINNED)
    statements.clear()
    assert targets.find(PINNED) is first
    assert statements == []


def test_which_version_is_the_newest_is_not_remembered(stand) -> None:
    stand.register()
    assert stand.create(name="first").target.version == "v1"
    stand.register(version="v2")
    assert stand.create(name="second").target.version == "v2"


def test_what_is_remembered_is_bounded(stand, statements) -> None:
    stand.register()
    targets = Targets(stand.database, most_bytes=1)
    targets.find(PINNED)
    statements.clear()
    targets.find(PINNED)
    assert statements != []


def test_a_made_up_name_that_somebody_has_is_replaced_by_another(stand, monkeypatch) -> None:
    stand.register()
    names = iter(["calm-heron-1", "calm-heron-1", "wise-rook-2"])
    monkeypatch.setattr(submission, "generate_run_name", lambda _: next(names))
    assert [stand.create(name="").name for _ in range(2)] == ["calm-heron-1", "wise-rook-2"]


def test_a_remembered_target_that_the_database_lost_is_said_to_be_gone(stand) -> None:
    stand.register()
    stand.admin.runs.CreateRun(PINNED)
    with stand.database.transaction() as connection:
        connection.execute(sa.text("TRUNCATE runs, entities, specs CASCADE"))
    with pytest.raises(Exception, match=r"workflow 'demo\.wf' version v1 in demo/development does not exist"):
        stand.admin.runs.CreateRun(PINNED)
    stand.register()
    assert stand.admin.runs.CreateRun(PINNED).target.version == "v1"


def test_connections_that_broke_while_they_were_idle_are_replaced(
    database: Database, database_url: str, monkeypatch
) -> None:
    monkeypatch.setattr(database_module, "PING_AFTER_S", 0.0)
    database.ping()
    database.single("SELECT $1::int", 1)
    _end_others(database_url)
    database.ping()
    assert database.single("SELECT $1::int", 1) == [(1,)]


def test_a_connection_that_broke_in_use_is_told_of_and_replaced(
    database: Database, database_url: str, monkeypatch
) -> None:
    monkeypatch.setattr(database_module, "PING_AFTER_S", 60.0)
    database.single("SELECT $1::int", 1)
    _end_others(database_url)
    with pytest.raises(RequestError) as refused:
        database.single("SELECT $1::int", 1)
    assert refused.value.reason is Reason.UNAVAILABLE
    assert database.single("SELECT $1::int", 1) == [(1,)]


def test_runs_asked_for_at_once_are_each_made_once(stand, make_stand) -> None:
    """By two processes, under names that both are asked for."""
    stand.register()
    stands = [stand, make_stand()]
    names = [f"run-{number:02}" for number in range(30)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(stands[n % 2].create, name=name) for name in names for n in range(4)]
        made = [each.result(30) for each in asked]
    assert sorted({run.name for run in made}) == names
    assert len({run.uid for run in made}) == len(names)
    with stand.database.transaction() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM runs")).scalar() == len(names)


def _end_others(url: str) -> None:
    other = Database(url, pool_size=1)
    with other.transaction() as connection:
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(sa.text(ended)).all()
    other.close()
