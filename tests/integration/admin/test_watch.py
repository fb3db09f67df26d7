import threading

import grpc
import pytest
import sqlalchemy as sa

from limosa_admin.rpc import run_service
from limosa_admin.store import changes as changes_module
from limosa_admin.store import runs
from limosa_admin.store.changes import LISTENER, RUNS, Changes
from limosa_admin.store.database import notify
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2

REQUEST = pb.WatchRunRequest(id=pb.RunId(project="demo", domain="development", name="calm-heron-1"))


class Watch(threading.Thread):
    def __init__(self, stand) -> None:
        super().__init__()
        self.updates: list[pb.RunUpdate] = []
        self.error: grpc.RpcError | None = None
        self._stand = stand
        self._arrived = threading.Condition()
        self.start()

    def run(self) -> None:
        try:
            for update in self._stand.admin.runs.WatchRun(REQUEST):
                with self._arrived:
                    self.updates.append(update)
                    self._arrived.notify_all()
        except grpc.RpcError as error:
            self.error = error

    def wait_for(self, count: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.updates) >= count, 20)

    def end(self) -> None:
        self.join(20)
        assert not self.is_alive()


@pytest.fixture
def desired(stand):
    stand.register()
    stand.create()
    return stand.sync()[0]


def node(launches: int) -> run_pb2.NodeState:
    return run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING, launches=launches)


def test_only_what_changed_follows_the_whole_state(stand, desired) -> None:
    stand.publish(desired, ("n0", None, None, node(1)), ("n1", None, None, node(1)))
    watch = Watch(stand)
    watch.wait_for(1)
    stand.publish(desired, ("n1", None, None, node(2)), seq=2)
    watch.wait_for(2)
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED)
    watch.end()
    assert [[s.key.node_path for s in update.snapshots] for update in watch.updates] == [
        ["n0", "n1"],
        ["n1"],
        # Still open when the run ended, and closed with it.
        ["n0", "n1"],
    ]
    assert [update.HasField("closure") for update in watch.updates] == [True, False, False]
    assert watch.error is None


def test_a_large_state_comes_in_several_messages(stand, desired, monkeypatch) -> None:
    monkeypatch.setattr(run_service, "CHUNK_BYTES", 300)
    items = [("n0", index, None, node(1)) for index in range(20)]
    stand.publish(desired, *items)
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED, seq=2)
    watch = Watch(stand)
    watch.end()
    assert len(watch.updates) > 2
    assert sorted(s.key.index for update in watch.updates for s in update.snapshots) == list(range(20))
    assert [update.HasField("closure") for update in watch.updates].count(True) == 1


def test_a_watch_on_one_server_sees_what_another_took(make_stand) -> None:
    first, second = make_stand(), make_stand()
    first.register()
    first.create()
    (desired,) = first.sync()
    watch = Watch(second)
    watch.wait_for(1)
    first.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED)
    watch.end()
    assert watch.updates[-1].run.state.phase == run_pb2.RUN_PHASE_SUCCEEDED


def test_a_watch_of_a_deleted_run_says_so(stand) -> None:
    stand.register()
    stand.create()
    watch = Watch(stand)
    watch.wait_for(1)
    with stand.database.transaction() as connection:
        runs.delete(connection, watch.updates[0].run.uid)
    watch.end()
    assert watch.error is not None
    assert watch.error.code() == grpc.StatusCode.NOT_FOUND


def test_a_server_that_shuts_down_ends_watches_so_that_clients_connect_again(stand, desired) -> None:
    watch = Watch(stand)
    watch.wait_for(1)
    stand.parts.stopping.set()
    stand.changes.stop()
    watch.end()
    assert watch.error is not None
    assert watch.error.code() == grpc.StatusCode.UNAVAILABLE


def test_notifications_survive_a_lost_connection(stand, desired) -> None:
    watch = Watch(stand)
    watch.wait_for(1)
    listeners = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = :name AND datname = current_database()"
    )
    with stand.database.transaction() as connection:
        assert connection.execute(listeners, {"name": LISTENER}).scalars().all() == [True]
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED)
    watch.end()
    assert watch.updates[-1].run.state.phase == run_pb2.RUN_PHASE_SUCCEEDED


def test_what_is_told_wakes_this_process_once_and_the_others_too(database) -> None:
    here, there = Changes(database), Changes(database)
    woken: list[str] = []
    any_run, seven, eight = threading.Event(), threading.Event(), threading.Event()
    for changes in (here, there):
        changes.start()
    with (
        here.subscribe("run 7", lambda: woken.append("here")),
        here.subscribe(RUNS, any_run.set),
        here.subscribe("run 8", eight.set),
        there.subscribe("run 7", seven.set),
    ):
        here.tell("run 7")
        assert woken == ["here"]
        assert any_run.is_set()
        assert seven.wait(10)
        # What comes back over Postgres was told here already; the next word comes after it.
        there.tell("run 8")
        assert eight.wait(10)
        assert woken == ["here"]
    here.stop()
    there.stop()


def test_a_word_that_comes_while_others_are_told_is_heard(database, monkeypatch) -> None:
    def tell_while_a_word_comes(connection: sa.Connection, *topics: str) -> None:
        with database.transaction() as other:
            notify(other, "run 8")
        notify(connection, *topics)

    monkeypatch.setattr(changes_module, "notify", tell_while_a_word_comes)
    changes = Changes(database)
    changes.start()
    heard = threading.Event()
    with changes.subscribe("run 8", heard.set):
        changes.tell("run 7")
        assert heard.wait(5)
    changes.stop()
