"""What a launch prints, copied to the pod's own log and to segments in the store while it prints."""

import os
from collections.abc import Callable
from time import monotonic

from limosa.runtime.backlog import Backlog
from limosa.runtime.logs import Segments

_CHUNK = 64 * 1024
_PIPE_BYTES = 1024 * 1024
"""No pipe of ours holds more."""


class Pump:
    """Copies the bytes of one pipe. Nothing in it waits for the store."""

    def __init__(self, source: int, sink: int, write: Callable[[int, bytes], None]) -> None:
        """Takes a pipe's reading end, the descriptor of the pod's own log, and what stores segment `n`."""
        self.source = source
        self.open = True
        """Whether somebody can still write to the pipe."""
        self._sink = sink
        self._backlog = Backlog(write)
        self._segments = Segments(self._backlog.put)
        self._unprinted = ""
        os.set_blocking(source, False)

    def wait_s(self) -> float | None:
        """Seconds until `flush_due` has something to do; None where nothing is open."""
        return self._segments.wait_s(monotonic())

    def flush_due(self) -> None:
        """Sends the open segment on its way when it is old enough."""
        self._segments.flush_due(monotonic())

    def take(self) -> int:
        """Copies what lies in the pipe, at most 64 KiB; gives its length."""
        try:
            data = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return 0
        self.open = bool(data)
        self._copy(data)
        return len(data)

    def drain(self) -> None:
        """Copies what lies in the pipe and no more: others may hold it for ever, and print for ever."""
        left = _PIPE_BYTES
        while left > 0 and (taken := self.take()):
            left -= taken

    def say(self, line: str) -> None:
        """Adds a line of the runtime's own."""
        self._copy(f"{line}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> str:
        """Stores what is left; gives why a part of the log was lost, empty where none was."""
        self._segments.close()
        unstored = self._backlog.close()
        return self._unprinted or unstored

    def _copy(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._sink, view) :]
        except OSError as error:
            self._unprinted = f"the pod's own log: {error}"
        self._segments.add(data, monotonic())
