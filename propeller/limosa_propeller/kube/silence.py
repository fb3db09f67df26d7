"""How long nothing was heard on a stream."""

import asyncio
from collections.abc import Callable


class Silence:
    """Calls once nothing was heard for `seconds`; a context for as long as the stream lasts.

    It looks at a clock once in a while. A timer that every chunk winds up again, as a read timeout of the session is, was a
    twentieth of the operator's work.
    """

    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        self._seconds, self._end = seconds, end
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self.lasted = False
        """Nothing was heard for so long."""

    def heard(self) -> None:
        """Something came."""
        self._heard = self._loop.time()

    def __enter__(self) -> "Silence":
        self._look()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        left = self._heard + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self.lasted = True
            self._end()
