"""Word of changes, from whichever admin process made them.

Changes carry no data: whoever is woken reads the state again, so a lost or doubled word does no harm.
"""

import contextlib
import logging
import select
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from limosa_admin.store.database import CHANNEL, Database

QUEUE = "queue"
"""Topic: runs to claim, to abort or to forget."""
RUNS = "runs"
"""Topic: any run."""
TOKEN = "token"
"""Topic: tokens were made or revoked."""

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
            connection.execute(sa.text(f"LISTEN {CHANNEL}"))
            raw: Any = connection.connection.dbapi_connection
            self._listening.set()
            # What changed while nobody listened is unknown.
            self._wake_all()
            while not self._stopping.is_set():
                if raw not in select.select([raw, self._poked], [], [])[0]:
                    continue
                try:
                    raw.poll()
                except raw.Error as error:
                    raise OSError(str(error)) from error
                topics = {notice.payload for notice in raw.notifies}
                raw.notifies.clear()
                if any(topic.startswith("run ") for topic in topics):
                    topics.add(RUNS)
                self._wake(topics)

    def _wake(self, topics: set[str]) -> None:
        with self._lock:
            wakes = {wake for topic in topics for wake in self._subscribers.get(topic, ())}
        for wake in wakes:
            wake()

    def _wake_all(self) -> None:
        with self._lock:
            topics = set(self._subscribers)
        self._wake(topics)
