"""What is due when."""

import heapq


class Timers:
    """A heap of (time, node number, item position or -1); times are Unix seconds.

    Entries are hints: whoever is woken looks at its own record to see whether its time has come.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int]] = []
        self._polls: list[tuple[float, int, int]] = []
        self.announced: float | None = None
        """The time of the last WakeAt, until it fires."""

    def add(self, when: float, node: int, position: int = -1, *, poll: bool = False) -> None:
        """Remembers a time; at that of a poll somebody else is asked again, and the run itself does nothing."""
        heapq.heappush(self._polls if poll else self._heap, (when, node, position))

    def pop_due(self, now: float) -> tuple[int, int] | None:
        """The next (node, position) whose time has come."""
        for heap in (self._heap, self._polls):
            if heap and heap[0][0] <= now:
                _, node, position = heapq.heappop(heap)
                return node, position
        return None

    @property
    def earliest(self) -> float | None:
        """When somebody is woken next, polls left out."""
        return self._heap[0][0] if self._heap else None

    def announce(self) -> float | None:
        """The earliest time, where it differs from the last announced one; it counts as announced then."""
        earliest = min((heap[0][0] for heap in (self._heap, self._polls) if heap), default=None)
        if earliest is None or earliest == self.announced:
            return None
        self.announced = earliest
        return earliest
