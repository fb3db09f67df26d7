"""Word of changes, from whichever admin process made them.

Changes carry no data: whoever is woken reads the state again, so a lost or doubled word does no harm.
"""

import contextlib
import logging
import select
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from limosa_admin.store.database import CHANNEL, Database, notify

QUEUE = "queue"
"""Topic: runs to claim, to abort or to forget; not of each new run, see `ARRIVALS`."""
ARRIVALS = "arrivals"
"""Topic: new runs that nobody made for another one. Of no interest to a cluster that is full, which is most of the time."""
RUNS = "runs"
"""Topic: any run."""
TOKEN = "token"
"""Topic: tokens were made or revoked."""
LISTENER = "limosa-admin-changes"
"""What Postgres shows the listening connection as."""
TELL_EVERY_S = 0.05
"""Least time between two words to other processes of what was told here."""

_log = logging.getLogger(__name__)


def run_topic(run_uid: str) -> str:
    """Topic: one run, its nodes and launches."""
    return f"run {run_uid}"


class Changes:
    """Listens to Postgres notifications on a thread of its own and wakes who subscribed to their topic."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._subscribers: dict[str, set[Callable[[], None]]] = defaultdict(set)
        self._stopping = threading.Event()
        self._listening = threading.Event()
        # Topics that other processes are still to be told of, and when they were told last.
        self._untold: set[str] = set()
        self._told_at = 0.0
        # A byte on it ends the wait for notifications.
        self._poke, self._poked = socket.socketpair()
        self._thread = threading.Thread(target=self._listen_forever, name="changes", daemon=True)

    def start(self) -> None:
        """Starts listening; returns when it does, or after 10 s without a database (it goes on trying)."""
        self._thread.start()
        self._listening.wait(10)

    def stop(self) -> None:
        """Ends the thread and wakes every subscriber."""
        self._stopping.set()
        self._poke.send(b"!")
        self._wake_all()
        if self._thread.is_alive():
            self._thread.join(5)

    def tell(self, *topics: str) -> None:
        """Says that what was committed changed topics: to this process at once, to others a moment later.

        For what changes so often that `database.notify` would be too dear: Postgres lets transactions that notify commit
        only one after the other. Should this process end within the moment, the others learn it when they look again.
        """
        if not topics:
            return
        with self._lock:
            waits = bool(self._untold)
            self._untold.update(topics)
        if not waits:
            self._poke.send(b"!")
        self._wake(_with_runs(topics))

    def add(self, topic: str, wake: Callable[[], None]) -> None:
        """Calls `wake` after each change of a topic for good; see `subscribe`."""
        with self._lock:
            self._subscribers[topic].add(wake)

    @contextlib.contextmanager
    def subscribe(self, topic: str, wake: Callable[[], None]) -> Iterator[None]:
        """Calls `wake`, from another thread, after each change of a topic while the block runs.

        It must return at once. It is called without a change too, for instance after a lost connection.
        """
        self.add(topic, wake)
        try:
            yield
        finally:
            with self._lock:
                self._subscribers[topic].discard(wake)
                if not self._subscribers[topic]:
                    del self._subscribers[topic]

    def _listen_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (sa.exc.SQLAlchemyError, OSError) as error:
                self._listening.clear()
                _log.warning(
                    "lost the database's notifications; connecting again", extra={"error": str(error)}
                )
                self._stopping.wait(1)

    def _listen(self) -> None:
        with self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # The listener waits for as long as nothing happens, so it leaves the pool for good.
            connection.detach()
            # Whoever is told looks at the tables, which are safe; the word itself needs no disk.
            connection.execute(sa.text("SET synchronous_commit = off"))
            connection.execute(sa.text(f"SET application_name = '{LISTENER}'"))
            connection.execute(sa.text(f"LISTEN {CHANNEL}"))
            raw: Any = connection.connection.dbapi_connection
            self._listening.set()
            # What changed while nobody listened is unknown.
            self._wake_all()
            while not self._stopping.is_set():
                if self._poked in select.select([raw, self._poked], [], [], self._until_tell())[0]:
                    self._poked.recv(4096)
                if self._until_tell() == 0:
                    self._tell_others(connection)
                # Also what came while others were told: the connection is not readable for it again.
                self._hear(raw)

    def _hear(self, raw: Any) -> None:
        try:
            raw.poll()
        except raw.Error as error:
            raise OSError(str(error)) from error
        # What this connection told, `tell` has woken already.
        topics = [notice.payload for notice in raw.notifies if notice.pid != raw.info.backend_pid]
        raw.notifies.clear()
        self._wake(_with_runs(topics))

    def _until_tell(self) -> float | None:
        """Seconds until others are to be told something; None while there is nothing to tell."""
        with self._lock:
            if not self._untold:
                return None
        return max(0.0, self._told_at + TELL_EVERY_S - time.monotonic())

    def _tell_others(self, connection: sa.Connection) -> None:
        with self._lock:
            topics, self._untold = self._untold, set()
        self._told_at = time.monotonic()
        notify(connection, *topics)

    def _wake(self, topics: set[str]) -> None:
        with self._lock:
            wakes = {wake for topic in topics for wake in self._subscribers.get(topic, ())}
        for wake in wakes:
            wake()

    def _wake_all(self) -> None:
        with self._lock:
            topics = set(self._subscribers)
        self._wake(topics)


def _with_runs(topics: Iterable[str]) -> set[str]:
    """What is said of one run is also said of any."""
    found = set(topics)
    return found | {RUNS} if any(topic.startswith("run ") for topic in found) else found
