"""The time, as the engine is told it."""

import time
from collections.abc import Callable


class Clock:
    """Unix seconds that never go back, whatever is done to the machine's clock."""

    def __init__(self, read: Callable[[], float] = time.time) -> None:
        self._read = read
        self._last = 0.0

    def now(self) -> float:
        """The current time in Unix seconds; at least what it was at the previous call."""
        self._last = max(self._last, self._read())
        return self._last
