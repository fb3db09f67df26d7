"""Snapshots on their way to admin: of each key the latest, and nothing older."""

import asyncio
from collections.abc import Set

from limosa_engine.phases import RUN_TERMINAL
from limosa_idl.run.v1alpha1.run_pb2 import Snapshot

_ENDS = frozenset(map(int, RUN_TERMINAL))

BATCH_BYTES = 4 * 1024 * 1024
"""A batch ends with the snapshot that brings it to this size; graphs of dynamic nodes can be as large by themselves."""

Key = tuple[str, str, int, int]
"""Run uid, node path, index or -1, launch or -1."""


class Discard:
    """Takes snapshots where there is no admin."""

    def put(self, snapshot: Snapshot) -> None:
        """Forgets it."""


class Outbox:
    """At most one unsent snapshot a key; those of a run wait until admin has told which numbers it knows of it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        """The greatest number of each run of which admin has told one."""
        self._unsent: dict[Key, Snapshot] = {}
        self._by_run: dict[str, int] = {}
        self.filled = asyncio.Event()
        """Set while there is something to send."""

    def put(self, snapshot: Snapshot) -> None:
        """Takes the latest snapshot of a key and numbers it."""
        key = _key(snapshot)
        self._number(snapshot)
        if self._unsent.pop(key, None) is None:
            self._by_run[key[0]] = self._by_run.get(key[0], 0) + 1
        self._unsent[key] = snapshot
        if key[0] in self._numbers:
            self.filled.set()

    def knows(self, run_uid: str) -> bool:
        """Whether snapshots of the run can be numbered."""
        return run_uid in self._numbers

    def go_on_from(self, run_uid: str, number: int) -> None:
        """The greatest number that admin knows of the run: it takes greater ones only."""
        begins = run_uid not in self._numbers
        self._numbers[run_uid] = max(number, self._numbers.get(run_uid, 0))
        if begins and run_uid in self._by_run:
            for key, snapshot in self._unsent.items():
                if key[0] == run_uid:
                    self._number(snapshot)
            self.filled.set()

    def keep_numbers(self, run_uids: Set[str]) -> None:
        """Of other runs only those stay of which something is unsent."""
        for run_uid in self._numbers.keys() - run_uids - self._by_run.keys():
            del self._numbers[run_uid]

    def batch(self, limit: int) -> list[Snapshot]:
        """The next to send, oldest first, at most `limit` and not much more than `BATCH_BYTES`; a run's end only once nothing else of the run waits."""
        chosen: list[Snapshot] = []
        size = 0
        taken: dict[str, int] = {}
        ends: list[Snapshot] = []
        for key, snapshot in self._unsent.items():
            if key[0] not in self._numbers:
                continue
            if is_end(snapshot):
                ends.append(snapshot)
                continue
            chosen.append(snapshot)
            taken[key[0]] = taken.get(key[0], 0) + 1
            size += snapshot.ByteSize()
            if len(chosen) == limit or size >= BATCH_BYTES:
                break
        for snapshot in ends:
            run_uid = snapshot.key.run_uid
            if len(chosen) < limit and self._by_run[run_uid] == taken.get(run_uid, 0) + 1:
                chosen.append(snapshot)
        return chosen

    def sent(self, snapshots: list[Snapshot]) -> None:
        """They were accepted; what replaced one of them meanwhile stays."""
        for snapshot in snapshots:
            key = _key(snapshot)
            if key in self._unsent and self._unsent[key].seq == snapshot.seq:
                self._remove(key)
        self._look()

    def forget_run(self, run_uid: str) -> None:
        """Admin does not want this run's snapshots from here any more."""
        for key in [key for key in self._unsent if key[0] == run_uid]:
            self._remove(key)
        self._look()

    def waits_for(self, run_uid: str) -> bool:
        """Whether something of the run is unsent."""
        return run_uid in self._by_run

    def __len__(self) -> int:
        return len(self._unsent)

    def _number(self, snapshot: Snapshot) -> None:
        run_uid = snapshot.key.run_uid
        if run_uid in self._numbers:
            self._numbers[run_uid] += 1
            snapshot.seq = self._numbers[run_uid]

    def _look(self) -> None:
        if self._by_run.keys().isdisjoint(self._numbers):
            self.filled.clear()

    def _remove(self, key: Key) -> None:
        del self._unsent[key]
        self._by_run[key[0]] -= 1
        if not self._by_run[key[0]]:
            del self._by_run[key[0]]


def _key(snapshot: Snapshot) -> Key:
    key = snapshot.key
    index = key.index if key.HasField("index") else -1
    return key.run_uid, key.node_path, index, key.launch if key.HasField("launch") else -1


def is_end(snapshot: Snapshot) -> bool:
    """Whether it tells the end of a run."""
    return snapshot.WhichOneof("state") == "run" and int(snapshot.run.phase) in _ENDS
