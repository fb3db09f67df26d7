"""The store as the author's process reaches it: what would wait for ever ends the process with its reason instead."""

import os
import sys
from typing import Any, NoReturn

from limosa.runtime.child import Shared
from limosa_store import Store

_LISTED = "/proc/self/fd"
_EVENTS = "anon_inode:[event"
"""What the store's client waits for its connections with: [eventpoll] and [eventfd]."""


class GuardedStore:
    """Passes everything on, but for processes in which the client is broken.

    The client has threads, which a fork leaves behind, and descriptors, which an author may close. With either gone, its
    next request would never end.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shared: Shared | None = None
        self._owner = 0
        self._events: dict[str, str] | None = None

    def guard(self, shared: Shared) -> None:
        """Begins, in the launch's own process."""
        self._shared, self._owner = shared, os.getpid()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if self._shared is None or not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._check()
            try:
                return found(*args, **kwargs)
            finally:
                if self._events is None:
                    # The client opened them for this, its first request; the author's code comes later.
                    self._events = _event_descriptors()

        return call

    def _check(self) -> None:
        assert self._shared is not None
        if os.getpid() != self._owner:
            _end("a process that the task forked came back from the task, or used its files: it ends here")
        lost = (self._events or {}).items() - _event_descriptors().items()
        if lost:
            self._shared.note_descriptors_closed()
            _end("the task closed descriptors that are not its own")


def _event_descriptors() -> dict[str, str]:
    found = {}
    for name in os.listdir(_LISTED):
        try:
            target = os.readlink(f"{_LISTED}/{name}")
        except OSError:
            continue
        if target.startswith(_EVENTS):
            found[name] = target
    return found


def _end(why: str) -> NoReturn:
    try:
        print(f"limosa: {why}", file=sys.stderr, flush=True)
    finally:
        os._exit(1)
