"""One run's status patches: coalesced, paced, and reported when accepted."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.timers import Timers

logger = logging.getLogger(__name__)

MAX_BACKOFF_SECONDS = 10.0


AT_A_TIME = 2
"""Patches that nobody waits for under way, on average: few beside the launches, for each costs as much as one."""


class Turns:
    """Spreads the patches of many runs: a thousand of them write no more often than a server bears."""

    def __init__(self, per_second: float = math.inf) -> None:
        self._least = self._apart = 1 / per_second
        self._free_at = 0.0

    def took(self, seconds: float) -> None:
        """A patch took so long: the slower the server, the rarer the turns."""
        self._apart = max(self._least, 0.8 * self._apart + 0.2 * seconds / AT_A_TIME)

    def take(self, now: float) -> float:
        """Seconds until the turn that is taken by this."""
        at = max(now, self._free_at)
        self._free_at = at + self._apart
        return at - now


class StatusWriter:
    """Writes what `render` gives; at most one patch is under way.

    Args:
        key: Of the run, for its timer.
        render: Gives the state's version and the encoded patch that holds it.
        send: Sends a patch; raises ApiError.
        accepted: Called with the version that an accepted patch held.
        refused: Called when the API server will never accept it.
        interval: Least seconds between patches that nobody waits for.
        rate: Bytes per second that patches of one run may take on average.
        turns: Shared by all runs.
    """

    def __init__(
        self,
        key: str,
        timers: Timers,
        render: Callable[[], tuple[int, bytes]],
        send: Callable[[bytes], Awaitable[object]],
        accepted: Callable[[int], None],
        refused: Callable[[ApiError], None],
        interval: float,
        rate: float,
        turns: Turns,
    ) -> None:
        self._timer_key = ("status", key)
        self._timers = timers
        self._render, self._send = render, send
        self._accepted, self._refused = accepted, refused
        self._interval, self._rate, self._turns = interval, rate, turns
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._dirty = self._urgent = self._waits = False
        self._quiet_until = 0.0
        self._failures = 0

    def touch(self) -> None:
        """Something changed; it is written when the pace allows."""
        self._dirty = True
        self._arm()

    def demand(self) -> None:
        """Something waits for this to be written: do it now."""
        self._dirty = self._urgent = True
        self._arm()

    def close(self) -> None:
        """Writes no more."""
        self._timers.cancel(self._timer_key)
        if self._task is not None:
            self._task.cancel()
        self._dirty = False

    def _arm(self) -> None:
        if self._task is not None or not self._dirty:
            return
        # After an error even the urgent wait.
        if self._urgent and not self._failures:
            self._start()
        elif not self._waits:
            self._wait(self._quiet_until - self._loop.time(), self._queue)

    def _queue(self) -> None:
        """The run may write again; now it waits for its turn among the others."""
        self._wait(self._turns.take(self._loop.time()), self._start)

    def _wait(self, delay: float, then: Callable[[], None]) -> None:
        self._waits = delay > 0
        if self._waits:
            self._timers.wake_in(self._timer_key, delay, then)
        else:
            then()

    def _start(self) -> None:
        self._waits = False
        if self._task is None and self._dirty:
            self._timers.cancel(self._timer_key)
            self._task = self._loop.create_task(self._write())

    async def _write(self) -> None:
        version, patch = self._render()
        self._dirty = self._urgent = False
        begun = self._loop.time()
        try:
            await self._send(patch)
        except ApiError as error:
            self._task = None
            self._failed(error)
            return
        self._task = None
        self._failures = 0
        self._turns.took(self._loop.time() - begun)
        self._quiet_until = self._loop.time() + max(self._interval, len(patch) / self._rate)
        self._accepted(version)
        self._arm()

    def _failed(self, error: ApiError) -> None:
        if not (error.transient or error.status in (401, 409)):
            self._refused(error)
            return
        self._failures += 1
        pause = min(MAX_BACKOFF_SECONDS, 0.25 * 2 ** min(self._failures, 10)) * random.uniform(0.7, 1.3)
        self._quiet_until = self._loop.time() + max(pause, error.retry_after or 0.0)
        logger.warning("status was not written", extra={"run": self._timer_key[1], "error": str(error)})
        self._dirty = self._urgent = True
        self._arm()
