"""The referee: what launches did, noted from outside, and whether that was allowed."""

import json
import os
import socketserver
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKED, STARTED, COMMITTED = "CHECKED", "STARTED", "COMMITTED"


@dataclass(frozen=True)
class Event:
    """One thing one launch did.

    Attributes:
        run_uid: The run's.
        node_path: The node's.
        index: Of an item of a map.
        launch: Ordinal of the launch.
        launch_id: The launch's name.
        epoch: Of the claim it was made under.
        what: CHECKED (about to look for a commit), STARTED (the author's function runs), COMMITTED (its result counts).
    """

    run_uid: str
    node_path: str
    index: int | None
    launch: int
    launch_id: str
    epoch: str
    what: str

    @property
    def item(self) -> str:
        """The node item it belongs to, as people write it."""
        return self.node_path if self.index is None else f"{self.node_path}[{self.index}]"


class Referee:
    """Notes events in the order in which they were told; each is on disk before it is acknowledged."""

    def __init__(self, record: Path) -> None:
        self._record = os.open(record, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._path = record
        self._lock = threading.Lock()
        referee = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline()
                if line.endswith(b"\n"):
                    referee.note(line)
                    self.wfile.write(b"+")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 256

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def note(self, line: bytes) -> None:
        """Appends one line and makes it durable."""
        with self._lock:
            os.write(self._record, line)
            os.fsync(self._record)

    def events(self, run_uid: str) -> list[Event]:
        """What a run's launches did so far."""
        return self.all_events().get(run_uid, [])

    def all_events(self) -> dict[str, list[Event]]:
        """What all launches did so far, by the uid of their run."""
        found: dict[str, list[Event]] = defaultdict(list)
        with self._path.open() as lines:
            for line in lines:
                event = Event(**json.loads(line))
                found[event.run_uid].append(event)
        return found

    @contextmanager
    def serving(self) -> Iterator["Referee"]:
        """Listens until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
            os.close(self._record)


def judge(events: Iterable[Event], *, relaunched: bool = False) -> list[str]:
    """What was not allowed; empty where all was.

    Args:
        events: Of one run, in the order in which they were told.
        relaunched: The run's object was deleted by hand, so that its launches may be made anew.
    """
    by_item: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_item[event.item].append(event)
    complaints = []
    for item, told in sorted(by_item.items()):
        complaints += _judge_commits(item, told) + _judge_starts(item, told)
        if not relaunched:
            complaints += _judge_launches(item, told)
    return complaints


def _judge_commits(item: str, told: list[Event]) -> list[str]:
    commits = [event.launch_id for event in told if event.what == COMMITTED]
    return [f"{item}: committed {len(commits)} times, by {', '.join(commits)}"] if len(commits) > 1 else []


def _judge_starts(item: str, told: list[Event]) -> list[str]:
    complaints = []
    committed = False
    checked: dict[str, bool] = {}
    for event in told:
        if event.what == COMMITTED:
            committed = True
        elif event.what == CHECKED:
            checked[event.launch_id] = committed
        elif event.launch_id not in checked:
            complaints.append(f"{item}: launch {event.launch_id} ran without a check")
        elif checked[event.launch_id]:
            complaints.append(f"{item}: launch {event.launch_id} ran though its check followed the commit")
    return complaints


def _judge_launches(item: str, told: list[Event]) -> list[str]:
    starts = [event.launch_id for event in told if event.what == STARTED]
    again = sorted({launch for launch in starts if starts.count(launch) > 1})
    return [f"{item}: launch {launch} ran {starts.count(launch)} times" for launch in again]
