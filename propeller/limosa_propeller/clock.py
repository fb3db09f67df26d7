"""The time, as the engine is told it."""

import time
from collections.abc import Callable

AHEAD_SECONDS = 5.0
"""What a status is behind the last snapshot that the process that wrote it numbered, at most."""


class Clock:
    """Unix seconds that never go back nor stand still, whatever is done to the machine's clock."""

    def __init__(
        self, read: Callable[[], float] = time.time, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._elapsed = read, elapsed
        self._last, self._at = 0.0, elapsed()

    def now(self) -> float:
        """The current time in Unix seconds.

        Where the machine's clock was set back, it goes on from the previous call by the time that really passed:
        a back-off of a second must not take the hour that a clock was wrong by.
        """
        at = self._elapsed()
        self._last = max(self._read(), self._last + (at - self._at))
        self._at = at
        return self._last

    def not_before(self, moment: float) -> None:
        """Something was written at that time, by a process whose clock may have been right or wrong.

        Where this machine's clock is behind it, the time goes on from there: deadlines were set, and snapshots numbered, by it.
        """
        if self._read() < moment:
            self._last = max(self.now(), moment + AHEAD_SECONDS)
