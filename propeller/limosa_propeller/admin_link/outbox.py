"""Snapshots on their way to admin: of each key the latest, and nothing older."""

import asyncio

from limosa_engine.phases import RUN_TERMINAL
from limosa_idl.run.v1alpha1.run_pb2 import Snapshot
from limosa_propeller.clock import Clock

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
    """At most one unsent snapshot a key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_seq = 0
        self._unsent: dict[Key, Snapshot] = {}
        self._by_run: dict[str, int] = {}
        self.filled = asyncio.Event()
        """Set while there is something to send."""

    def put(self, snapshot: Snapshot) -> None:
        """Takes the latest snapshot of a key and numbers it.

        The number is the time in microseconds, so that it also grows over a restart of the operator.
        """
        self._last_seq = max(self._last_seq + 1, int(self._clock.now() * 1e6))
        snapshot.seq = self._last_seq
        key = _key(snapshot)
        if self._unsent.pop(key, None) is None:
            self._by_run[key[0]] = self._by_run.get(key[0], 0) + 1
        self._unsent[key] = snapshot
        self.filled.set()

    def batch(self, limit: int) -> list[Snapshot]:
        """The next to send, oldest first, at most `limit` and not much more than `BATCH_BYTES`; a run's end only once nothing else of the run waits."""
        chosen: list[Snapshot] = []
        size = 0
        taken: dict[str, int] = {}
        ends: list[Snapshot] = []
        for key, snapshot in self._unsent.items():
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
        if not self._unsent:
            self.filled.clear()

    def forget_run(self, run_uid: str) -> None:
        """Admin does not want this run's snapshots from here any more."""
        for key in [key for key in self._unsent if key[0] == run_uid]:
            self._remove(key)
        if not self._unsent:
            self.filled.clear()

    def waits_for(self, run_uid: str) -> bool:
        """Whether something of the run is unsent."""
        return run_uid in self._by_run

    def __len__(self) -> int:
        return len(self._unsent)

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
