"""What makes a container's first process the only one that can speak for it.

Its exit code is decided by nobody else, as long as nobody can write to its memory; and what it writes last stays, once nobody
else runs. Where it is not the first process of a namespace of its own, as in the sandbox, there is nobody to be kept out: all
processes are those of the person who runs it.
"""

import contextlib
import os
import signal
from collections.abc import Callable

from limosa.runtime.child import Shared

_PR_SET_DUMPABLE = 4


class FirstProcess:
    """Does nothing where this process is not the container's first."""

    def __init__(self) -> None:
        """Closes this process's memory to others of the same user, before there are any."""
        self._alone = os.getpid() == 1
        self._open_to_others(False)

    def around(self, work: Callable[[Shared], int]) -> Callable[[Shared], int]:
        """`work` in another process, whose memory is open again: to its author's debuggers and profilers."""

        def opened(shared: Shared) -> int:
            self._open_to_others(True)
            return work(shared)

        return opened

    def end_others(self) -> None:
        """Ends every other process of the container, and returns when they are gone."""
        if not self._alone:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)

    def _open_to_others(self, opened: bool) -> None:
        if self._alone:
            # It takes some milliseconds to load.
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(opened), 0, 0, 0)
