"""Log segments: what a launch prints, copied to the object store while it prints."""

from collections import deque
from collections.abc import Callable

SEGMENT_BYTES = 256 * 1024
SEGMENT_SECONDS = 1.0
"""A segment is written this long after its first byte, or when it is full."""
HEAD_BYTES = 40 * 1024 * 1024
TAIL_BYTES = 10 * 1024 * 1024
"""Of longer logs the head and the tail are kept."""


class Segments:
    """Turns a stream of bytes into numbered segments with a cap on the whole. Pure but for `write`."""

    def __init__(self, write: Callable[[int, bytes], None]) -> None:
        """Takes the function that stores segment `n`."""
        self._write = write
        self._next = 0
        self._buffer = bytearray()
        self._first_at = 0.0
        self._taken = 0
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out = 0

    def add(self, data: bytes, now: float) -> None:
        """Takes what was printed at `now` (monotonic seconds)."""
        room = HEAD_BYTES - self._taken
        if room > 0:
            if not self._buffer:
                self._first_at = now
            self._buffer += data[:room]
            self._taken += min(len(data), room)
        if len(data) > room:
            self._keep_tail(data[max(room, 0) :])
        self.flush_due(now)

    def flush_due(self, now: float) -> None:
        """Stores the open segment when it is full or old enough."""
        if len(self._buffer) >= SEGMENT_BYTES or (self._buffer and now - self._first_at >= SEGMENT_SECONDS):
            self._flush()

    def wait_s(self, now: float) -> float | None:
        """Seconds until the open segment is due; None where none is open."""
        return max(0.0, self._first_at + SEGMENT_SECONDS - now) if self._buffer else None

    def close(self) -> None:
        """Stores what is left: the open segment and the kept tail."""
        if self._left_out:
            self._buffer += f"\n… {self._left_out} bytes left out …\n".encode()
        for part in self._tail:
            self._buffer += part
        self._tail.clear()
        self._flush()

    def _keep_tail(self, data: bytes) -> None:
        self._tail.append(data)
        self._tail_bytes += len(data)
        while self._tail_bytes > TAIL_BYTES and len(self._tail) > 1:
            dropped = self._tail.popleft()
            self._tail_bytes -= len(dropped)
            self._left_out += len(dropped)

    def _flush(self) -> None:
        if self._buffer:
            self._write(self._next, bytes(self._buffer))
            self._next += 1
            self._buffer.clear()
