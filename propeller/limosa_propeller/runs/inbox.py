"""Events of one run that wait for its next turn."""

import asyncio
from collections.abc import Callable
from time import perf_counter

from limosa_engine.events import Event

PATIENCE_SECONDS = 0.02
"""How long word that a pod was made waits for the word of the pod itself, to be taken in the same turn."""


class Inbox:
    """Has `turn` called when there are events to take, soon and once for all that came until then."""

    def __init__(self, turn: Callable[[], None]) -> None:
        self._turn = turn
        self._events: list[Event] = []
        self._due = self._patient = False
        self._loop = asyncio.get_running_loop()
        self.arrived = 0.0
        """When the oldest event came that hurries, by perf_counter."""

    def post(self, event: Event) -> None:
        """Puts an event in; the turn is the next thing that the loop comes to."""
        self._events.append(event)
        if not self._due:
            self._due = True
            self.arrived = perf_counter()
            self._loop.call_soon(self._begin)

    def post_patiently(self, event: Event) -> None:
        """Puts in what nothing follows from by itself: of a short pod it saves every other turn."""
        self._events.append(event)
        if not self._due and not self._patient:
            self._patient = True
            self._loop.call_later(PATIENCE_SECONDS, self._lose_patience)

    def take(self) -> list[Event]:
        """Everything that waits, in the order in which it came."""
        events, self._events = self._events, []
        return events

    def _begin(self) -> None:
        self._due = False
        if self._events:
            self._turn()

    def _lose_patience(self) -> None:
        self._patient = False
        if self._events and not self._due:
            self.arrived = perf_counter()
            self._turn()
