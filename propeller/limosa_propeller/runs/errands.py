"""What is under way for one run: commands that are carried out, and what else takes its time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from limosa_propeller.kube.errors import NotLeaderError

logger = logging.getLogger(__name__)


class Errands:
    """Tasks of one run.

    Args:
        failed: Told how one failed, unless it was stopped, or not allowed to write any more.
        log: What identifies the run in a log line.
    """

    def __init__(self, failed: Callable[[BaseException], None], log: Callable[[], Mapping[str, str]]) -> None:
        self._failed, self._log = failed, log
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts one."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def stop(self) -> None:
        """Ends all; what they asked of others may or may not happen."""
        for task in self._tasks:
            task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, NotLeaderError):
            logger.warning("a command was not carried out", extra={**self._log(), "error": str(error)})
        elif error is not None:
            self._failed(error)
