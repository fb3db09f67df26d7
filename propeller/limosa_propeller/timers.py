"""One timer heap for the process: thousands of runs wait, one loop handle stands."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Hashable

_FEW = 64
"""Replaced wake-ups in the heap that are not worth clearing out."""


class Timers:
    """At most one pending wake-up for each key; a new one replaces it. Times are the event loop's, in seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Hashable]] = []
        self._due: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self._tickets = itertools.count()
        self._handle: asyncio.Handle | None = None
        # Our own note of when the handle's time comes: uvloop's handles of times that are now do not tell.
        self._stands_at = 0.0

    def wake_in(self, key: Hashable, seconds: float, callback: Callable[[], None]) -> None:
        """Calls back after `seconds`, unless `wake_in` or `cancel` is called for the key before."""
        ticket = next(self._tickets)
        self._due[key] = (ticket, callback)
        heapq.heappush(self._heap, (self._loop.time() + max(0.0, seconds), ticket, key))
        if len(self._heap) > 2 * len(self._due) + _FEW:
            # A wake-up in an hour that was replaced would else stay for an hour.
            self._heap = [entry for entry in self._heap if self._is_due(entry)]
            heapq.heapify(self._heap)
        self._arm()

    def __len__(self) -> int:
        """Entries held, those of replaced and forgotten wake-ups included."""
        return len(self._heap)

    def cancel(self, key: Hashable) -> None:
        """Forgets the key's wake-up, if there is one."""
        self._due.pop(key, None)

    def close(self) -> None:
        """Forgets everything."""
        self._due.clear()
        self._heap.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        while self._heap and not self._is_due(self._heap[0]):
            heapq.heappop(self._heap)
        if not self._heap:
            return
        when = self._heap[0][0]
        if self._handle is None or self._stands_at > when:
            if self._handle is not None:
                self._handle.cancel()
            self._handle, self._stands_at = self._loop.call_at(when, self._fire), when

    def _is_due(self, entry: tuple[float, int, Hashable]) -> bool:
        return self._due.get(entry[2], (None,))[0] == entry[1]

    def _fire(self) -> None:
        self._handle = None
        # The loop may call a little early by its clock's resolution.
        now = self._loop.time() + 0.001
        while self._heap and self._heap[0][0] <= now:
            _, ticket, key = heapq.heappop(self._heap)
            current = self._due.get(key)
            if current is not None and current[0] == ticket:
                del self._due[key]
                current[1]()
        self._arm()
