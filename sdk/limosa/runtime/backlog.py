"""Log segments on their way to the store, on a thread of their own.

A store that is slow or down holds up neither what is printed nor a signal that is to be passed on.
"""

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from queue import Queue

_LENGTH = 16
"""Segments that may wait: 4 MiB. Whoever prints more than that meanwhile waits too."""


class Backlog:
    """Stores segments in order."""

    def __init__(self, write: Callable[[int, bytes], None]) -> None:
        """Takes the function that stores segment `n`; it may fail."""
        self._write = write
        self._queue: Queue[tuple[int, bytes] | None] | None = None
        self._thread: threading.Thread | None = None
        self._closing = False
        self._failing = False
        self._lost = ""

    def put(self, number: int, data: bytes) -> None:
        """Takes a segment."""
        if self._queue is None:
            # Most launches print nothing, or not before they are under way.
            import threading
            from queue import Queue

            self._queue = Queue(_LENGTH)
            self._thread = threading.Thread(target=self._store, args=(self._queue,), daemon=True)
            self._thread.start()
        self._queue.put((number, data))

    def close(self) -> str:
        """Stores what waits; gives why a segment was lost, empty where none was."""
        if self._queue is not None and self._thread is not None:
            self._closing = True
            self._queue.put(None)
            self._thread.join()
        return self._lost

    def _store(self, queue: "Queue[tuple[int, bytes] | None]") -> None:
        # Signals are the main thread's: one that is delivered here would not wake it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while (segment := queue.get()) is not None:
            if self._closing and self._failing:
                continue  # An outage is waited for once at the end, not once for each segment.
            try:
                self._write(*segment)
                self._failing = False
            except Exception as error:  # noqa: BLE001 - it must not end the author's work; the pod's own log has it
                self._failing = True
                self._lost = f"{type(error).__name__}: {error}"
