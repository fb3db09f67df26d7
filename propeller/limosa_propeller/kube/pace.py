"""How many pods are asked for at a time: as many as the API server bears."""

import asyncio
from collections import deque
from types import TracebackType

from limosa_propeller.kube.errors import ApiError

LEAST = 1.0
QUIET_SECONDS = 1.0
"""After a 429 that names no time; and of several 429 within it only the first one halves the pace."""


class Pace:
    """A context in which one pod is asked for; entering waits for its turn.

    Each 429 (too many requests) halves how many may be under way and, for as long as the server says, holds back new ones;
    each pod that is made adds a little, so that a server that has recovered is soon asked as often as before.
    """

    def __init__(self, most: int) -> None:
        """Begins with as many at a time as there may ever be."""
        self._most = float(most)
        self._limit = float(most)
        self._under_way = 0
        self._quiet_until = 0.0
        self._turns: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many may be under way now."""
        return int(self._limit)

    async def __aenter__(self) -> None:
        await self._turn()
        try:
            while (pause := self._quiet_until - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(pause)
        except asyncio.CancelledError:
            self._leave()
            raise

    async def _turn(self) -> None:
        """Takes a place; one that is handed over counts as taken from that moment."""
        if not self._turns and self._under_way < self.limit:
            self._under_way += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ApiError) and error.status == 429:
            self._slow_down(error.retry_after)
        elif error is None:
            self._limit = min(self._limit + 1 / self._limit, self._most)
        self._leave()

    def _slow_down(self, retry_after: float | None) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            self._limit = max(self._limit / 2, LEAST)
        self._quiet_until = max(
            self._quiet_until, now + (QUIET_SECONDS if retry_after is None else retry_after)
        )

    def _leave(self) -> None:
        self._under_way -= 1
        self._next()

    def _next(self) -> None:
        while self._turns and self._under_way < self.limit:
            turn = self._turns.popleft()
            if not turn.done():
                self._under_way += 1
                turn.set_result(None)
