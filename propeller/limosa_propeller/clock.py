"""The time, as the engine is told it."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

SLEW = 0.1
"""Seconds that the time is led towards the API server's in each second that passes."""
TOLERANCE_SECONDS = 2.0
"""Differences that are none: a Date has whole seconds, and an answer was on its way."""
READ_SECONDS = 5.0
"""Least time between two looks at what answers say."""
AHEAD_SECONDS = 2 * 86_400.0
"""A run's status that was written later than this from now was not written by an operator with any honest clock."""


def elapsed_seconds() -> float:
    """Seconds that really passed since some moment, those in which the machine slept included where it can tell."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):
        return time.monotonic()


class Clock:
    """Unix seconds that never go back nor stand still: the API server's, carried on by what really passed.

    The machine's own clock counts only until the API server has answered for the first time. Where its time is found
    elsewhere later, ours is led there slowly: a jump, wrong or right, ends no wait early and prolongs none by much.
    """

    def __init__(
        self,
        read: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = elapsed_seconds,
    ) -> None:
        """Takes the machine's clock, in Unix seconds, and what tells how much time passed, in seconds."""
        self._read, self._elapsed = read, elapsed
        self._time: float | None = None
        self._at = elapsed()
        self._owed = 0.0
        """Seconds by which the API server's time is ahead of ours."""
        self._heard_at: float | None = None

    def now(self) -> float:
        """The current time in Unix seconds."""
        at = self._elapsed()
        if self._time is None:
            self._time, self._at = self._read(), at
            return self._time
        passed = max(0.0, at - self._at)
        led = max(-SLEW * passed, min(SLEW * passed, self._owed))
        self._time, self._at, self._owed = self._time + passed + led, at, self._owed - led
        return self._time

    def heard(self, date: str) -> None:
        """An answer of the API server had this Date header; a malformed one tells nothing."""
        at = self._elapsed()
        if self._heard_at is not None and at - self._heard_at < READ_SECONDS:
            return
        try:
            told = parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        first, self._heard_at = self._heard_at is None, at
        if first and (self._time is None or told > self._time):
            self._time, self._at = told, at
            return
        ahead = told - self.now()
        self._owed = ahead if abs(ahead) > TOLERANCE_SECONDS else 0.0

    def since(self, written: float) -> "RunClock":
        """The time for a run whose status was written then, by a process whose clock may have been ahead of ours."""
        return RunClock(self, written)


class RunClock:
    """One run's time: its deadlines were set, and its times told, by the clock of whoever drove it before.

    It is ahead of the operator's by as much as that clock was. Who may write a run's status moves the time of that run alone.
    """

    def __init__(self, clock: Clock, written: float) -> None:
        ahead = written - clock.now()
        self._clock = clock
        self.is_absurd = ahead > AHEAD_SECONDS
        """The status tells a time that no clock was wrong by; it is not believed."""
        self._ahead = 0.0 if self.is_absurd else max(0.0, ahead)

    def now(self) -> float:
        """The current time in Unix seconds."""
        return self._clock.now() + self._ahead
