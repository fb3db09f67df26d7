"""What is due when."""

import heapq


class Timers:
    """A heap of (time, node number, item position or -1); times are Unix seconds.

    Entries are hints: whoever is woken looks at its own record to see whether its time has come.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int]] = []
        self.announced: float | None = None
        """The time of the last WakeAt, until it fires."""

    def add(self, when: float, node: int, position: int = -1) -> None:
        """Remembers a time."""
        heapq.heappush(self._heap, (when, node, position))

    def pop_due(self, now: float) -> tuple[int, int] | None:
        """The next (node, position) whose time has come."""
        if self._heap and self._heap[0][0] <= now:
            _, node, position = heapq.heappop(self._heap)
            return node, position
        return None

    @property
    def earliest(self) -> float | None:
        """When somebody is woken next."""
        return self._heap[0][0] if self._heap else None

    def announce(self) -> float | None:
        """The earliest time, where it differs from the last announced one; it counts as announced then."""
        earliest = self.earliest
        if earliest is None or earliest == self.announced:
            return None
        self.announced = earliest
        return earliest
