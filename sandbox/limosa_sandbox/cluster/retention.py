"""Retention of events: an hour, and not too many."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from limosa_sandbox.cluster.durations import parse_timestamp
from limosa_sandbox.cluster.records import Change

if TYPE_CHECKING:
    from limosa_sandbox.cluster.storage import Storage

KEPT = 2000
"""Of a pod come about five; each takes some kilobytes of memory."""
_LIFETIME = timedelta(hours=1)


class EventRetention:
    """Removes events that are older than an hour, and the oldest beyond two thousand, as new ones come."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._order: deque[tuple[str, datetime]] = deque()

    def observe(self, change: Change, now: datetime) -> bool:
        """Take note of a new event; True when old ones must go."""
        if change.type == "ADDED":
            meta = change.record.obj["metadata"]
            self._order.append((meta["uid"], parse_timestamp(meta["creationTimestamp"]) or now))
        return self._is_due(now)

    def work(self, now: datetime) -> None:
        """Remove what is due."""
        while self._is_due(now):
            found = self._storage.find(self._order.popleft()[0])
            if found is not None:
                meta = found[1]["metadata"]
                self._storage.delete("events", meta["namespace"], meta["name"])

    def _is_due(self, now: datetime) -> bool:
        return len(self._order) > KEPT or (bool(self._order) and now - self._order[0][1] > _LIFETIME)
