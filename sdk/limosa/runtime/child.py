"""The process a launch runs in, below the one that looks after it.

The container's first process is not the author's: it passes signals on, copies what is printed, collects orphans, and is
still there when the author's code takes its own process down.
"""

import contextlib
import faulthandler
import io
import mmap
import os
import select
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from limosa.runtime.pump import Pump

_PASSED_ON = (signal.SIGTERM, signal.SIGINT)
HELD = (*_PASSED_ON, signal.SIGCHLD)
"""Blocked from before the fork until either side has its handlers: none is lost, none meets the wrong side."""
_BROKEN = 2
_TOLD, _ASKED_TO_END, _DESCRIPTORS_CLOSED = range(3)


class Shared:
    """Bytes that both processes see: descriptors would not survive an author who closes all of them."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 3)

    @property
    def asked_to_end(self) -> bool:
        """Whether the container was told to end, also where the author's code ignores the signal."""
        return self.is_set(_ASKED_TO_END)

    @property
    def descriptors_closed(self) -> bool:
        """Whether the launch ended because the author's code had closed what it needs."""
        return self.is_set(_DESCRIPTORS_CLOSED)

    def note_descriptors_closed(self) -> None:
        """Says so; the process ends next."""
        self.set(_DESCRIPTORS_CLOSED)

    def set(self, which: int) -> None:
        """Notes one fact, for ever."""
        self._memory[which] = 1

    def is_set(self, which: int) -> bool:
        """Whether a fact is noted."""
        return self._memory[which] == 1


class Child:
    """A process that runs one function."""

    def __init__(self, work: Callable[["Shared"], int]) -> None:
        """Forks.

        Args:
            work: Runs in the new process and gives its exit code; the signals of `HELD` are blocked when it starts.
        """
        self.shared = Shared()
        """What the launch's process may leave word in."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        self.output, writer = os.pipe()
        """Reading end of the pipe that is the new process's standard output and error."""
        self._pid = os.fork()
        if not self._pid:
            os.close(self.output)
            self._run(work, writer)
        os.close(writer)

    @property
    def reported(self) -> bool:
        """Whether `work` came to its own end."""
        return self.shared.is_set(_TOLD)

    def tend(self, pump: Pump) -> int:
        """Looks after the process until it has ended; gives its wait status."""
        wake, waker = os.pipe()
        for descriptor in (wake, waker):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in _PASSED_ON:
            signal.signal(number, self._pass_on)
        signal.signal(signal.SIGCHLD, _only_wake)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        status = None
        while status is None:
            sources = [wake, pump.source] if pump.open else [wake]
            ready, _, _ = select.select(sources, [], [], pump.wait_s())
            if pump.source in ready:
                pump.take()
            pump.flush_due()
            if wake in ready:
                os.read(wake, 512)
                status = self._reap()
        pump.drain()
        return status

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.shared.set(_ASKED_TO_END)
        # At once, whatever else is being done: the grace period runs.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def _reap(self) -> int | None:
        """Collects whoever ended, orphans among them; the wait status of our own process if it is one of them."""
        found = None
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._pid:
                    found = ended[1]
                    for number in _PASSED_ON:
                        signal.signal(number, signal.SIG_IGN)
        return found

    def _run(self, work: Callable[["Shared"], int], writer: int) -> NoReturn:
        code = _BROKEN
        try:
            for stream in (1, 2):
                os.dup2(writer, stream)
            os.close(writer)
            # Into the log: what native code does to the process, and each line before it.
            faulthandler.enable(all_threads=False)
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(line_buffering=True)
            code = work(self.shared)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001 - a bug of ours is not the author's exit
            import traceback

            traceback.print_exc()
        finally:
            self.shared.set(_TOLD)
            # Threads or atexit hooks that the author's code left behind must not hold back an outcome that is durable.
            os._exit(code)


def _only_wake(_number: int, _frame: FrameType | None) -> None:
    """A signal without a handler would not wake `select`."""
