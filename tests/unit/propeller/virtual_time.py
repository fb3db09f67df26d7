"""An event loop whose clock jumps to whatever comes next: hours of back-off in no time, in the same order each time."""

import asyncio
import selectors
from collections.abc import Mapping


class StandstillError(AssertionError):
    """Nothing will ever happen any more."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time passes only while everybody waits."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def pass_by(self, seconds: float) -> None:
        """Lets time pass."""
        self._now += seconds


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StandstillError("nothing will happen any more")
        if timeout > 0:
            self._loop.pass_by(timeout)
        return super().select(0)


def run(main: "asyncio._CoroutineLike[None]", ignored: type[BaseException]) -> None:  # type: ignore[name-defined]
    """Runs to the end; errors of one kind in callbacks are nobody's."""
    loop = VirtualTimeLoop()

    def report(loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        if not isinstance(context.get("exception"), ignored):
            loop.default_exception_handler(dict(context))

    loop.set_exception_handler(report)
    try:
        loop.run_until_complete(main)
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
