"""Nodes that have items to launch: the greatest priority first, those of one priority in turn."""

import bisect
from collections import deque


class Ring:
    """A queue of node numbers for each priority in use. Every operation costs the same however many nodes there are."""

    def __init__(self) -> None:
        self._queues: dict[int, deque[int]] = {}
        self._priorities: list[int] = []
        """Of queues that are not empty, ascending."""
        self._inside: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._inside)

    def add(self, number: int, priority: int) -> None:
        """Puts a node at the end of its priority's queue, unless it is in."""
        if number in self._inside:
            return
        self._inside.add(number)
        queue = self._queues.setdefault(priority, deque())
        if not queue:
            bisect.insort(self._priorities, priority)
        queue.append(number)

    def take(self) -> int:
        """Removes the node whose turn it is; whoever took it adds it again where it has more to launch."""
        priority = self._priorities[-1]
        queue = self._queues[priority]
        number = queue.popleft()
        self._inside.discard(number)
        if not queue:
            self._priorities.pop()
            del self._queues[priority]
        return number
