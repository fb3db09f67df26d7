"""Snapshots on their way to admin: of each key the latest, and nothing older."""

import asyncio
import itertools
from collections.abc import Iterator, Set

from limosa_engine.phases import RUN_TERMINAL
from limosa_idl.run.v1alpha1.run_pb2 import Snapshot

_ENDS = frozenset(map(int, RUN_TERMINAL))

BATCH_BYTES = 4 * 1024 * 1024
"""A batch ends with the snapshot that brings it to this size; graphs of dynamic nodes can be as large by themselves."""

Key = tuple[str, int, int]
"""Of one run: node path, index or -1, launch or -1."""


class Discard:
    """Takes snapshots where there is no admin."""

    def put(self, snapshot: Snapshot) -> None:
        """Forgets it."""


class _Unsent:
    """What of one run is unsent: of each key the latest, in the order in which keys began to wait, its end last."""

    def __init__(self) -> None:
        self._others: dict[Key, Snapshot] = {}
        self._end: Snapshot | None = None

    def put(self, key: Key, snapshot: Snapshot) -> None:
        """Takes the place of what waits for the same key: who changes often would otherwise never be told of."""
        if is_end(snapshot):
            self._others.pop(key, None)
            self._end = snapshot
        else:
            self._others[key] = snapshot

    def remove(self, snapshot: Snapshot) -> None:
        """It was accepted; what replaced it meanwhile stays."""
        key = _key(snapshot)
        if self._end is not None and self._end.seq == snapshot.seq:
            self._end = None
        elif key in self._others and self._others[key].seq == snapshot.seq:
            del self._others[key]

    def __iter__(self) -> Iterator[Snapshot]:
        yield from self._others.values()
        if self._end is not None:
            yield self._end

    def __len__(self) -> int:
        return len(self._others) + (self._end is not None)


class Outbox:
    """At most one unsent snapshot a key; those of a run wait until admin has told which numbers it knows of it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        """The greatest number of each run of which admin has told one."""
        self._runs: dict[str, _Unsent] = {}
        """Those of which something is unsent; the one whose turn is the longest ago comes first."""
        self.filled = asyncio.Event()
        """Set while there is something to send."""

    def put(self, snapshot: Snapshot) -> None:
        """Takes the latest snapshot of a key and numbers it."""
        run_uid = snapshot.key.run_uid
        self._number(snapshot)
        unsent = self._runs.get(run_uid)
        if unsent is None:
            unsent = self._runs[run_uid] = _Unsent()
        unsent.put(_key(snapshot), snapshot)
        if run_uid in self._numbers:
            self.filled.set()

    def knows(self, run_uid: str) -> bool:
        """Whether snapshots of the run can be numbered."""
        return run_uid in self._numbers

    def go_on_from(self, run_uid: str, number: int) -> None:
        """The greatest number that admin knows of the run: it takes greater ones only."""
        begins = run_uid not in self._numbers
        self._numbers[run_uid] = max(number, self._numbers.get(run_uid, 0))
        if begins and run_uid in self._runs:
            for snapshot in self._runs[run_uid]:
                self._number(snapshot)
            self.filled.set()

    def keep_numbers(self, run_uids: Set[str]) -> None:
        """Of other runs only those stay of which something is unsent."""
        for run_uid in self._numbers.keys() - run_uids - self._runs.keys():
            del self._numbers[run_uid]

    def batch(self, limit: int) -> list[Snapshot]:
        """The next to send, at most `limit` and not much more than `BATCH_BYTES`.

        Runs take turns, each with its share of a batch: one of ten thousand items must not keep the others' ends back. Of a run
        what has waited longest goes first, and its end only once nothing else of it waits.
        """
        ready = [run_uid for run_uid in self._runs if run_uid in self._numbers]
        share = max(1, limit // max(1, len(ready)))
        waiting = {run_uid: iter(self._runs[run_uid]) for run_uid in ready[:limit]}
        for run_uid in waiting:
            self._runs[run_uid] = self._runs.pop(run_uid)
        chosen: list[Snapshot] = []
        size = 0
        while waiting:
            for run_uid, snapshots in list(waiting.items()):
                taken = list(itertools.islice(snapshots, share))
                if len(taken) < share:
                    del waiting[run_uid]
                for snapshot in taken:
                    chosen.append(snapshot)
                    size += snapshot.ByteSize()
                    if len(chosen) == limit or size >= BATCH_BYTES:
                        return chosen
        return chosen

    def sent(self, snapshots: list[Snapshot]) -> None:
        """They were accepted; what replaced one of them meanwhile stays."""
        for snapshot in snapshots:
            run_uid = snapshot.key.run_uid
            if run_uid in self._runs:
                self._runs[run_uid].remove(snapshot)
                if not self._runs[run_uid]:
                    del self._runs[run_uid]
        self._look()

    def forget_run(self, run_uid: str) -> None:
        """Admin does not want this run's snapshots from here any more."""
        self._runs.pop(run_uid, None)
        self._look()

    def waits_for(self, run_uid: str) -> bool:
        """Whether something of the run is unsent."""
        return run_uid in self._runs

    def __len__(self) -> int:
        return sum(map(len, self._runs.values()))

    def _number(self, snapshot: Snapshot) -> None:
        run_uid = snapshot.key.run_uid
        if run_uid in self._numbers:
            self._numbers[run_uid] += 1
            snapshot.seq = self._numbers[run_uid]

    def _look(self) -> None:
        if self._runs.keys().isdisjoint(self._numbers):
            self.filled.clear()


def _key(snapshot: Snapshot) -> Key:
    key = snapshot.key
    index = key.index if key.HasField("index") else -1
    return key.node_path, index, key.launch if key.HasField("launch") else -1


def is_end(snapshot: Snapshot) -> bool:
    """Whether it tells the end of a run."""
    return snapshot.WhichOneof("state") == "run" and int(snapshot.run.phase) in _ENDS
