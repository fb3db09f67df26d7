"""What admin told of one run, and what of it the run's status shows."""

from collections.abc import Callable, Iterable

from limosa_engine.events import CallMade, Event, SignalReceived
from limosa_engine.graph import Graph
from limosa_engine.state import State
from limosa_idl.run.v1alpha1.run_pb2 import Signal
from limosa_propeller.runs.heard_calls import HeardCalls
from limosa_propeller.runs.signals import Signals


class AdminWord:
    """Answers to gates, calls of eager nodes, and what tokens of attempts are made with.

    Args:
        news: Told when admin should hear of the run at once.
    """

    def __init__(self, news: Callable[[], None]) -> None:
        self._news = news
        self._signals, self._calls = Signals(), HeardCalls()
        self._call_key = b""
        self.wants_call_key = False
        """A launch waits for what tokens of attempts are made with."""

    def signalled(self, signals: Iterable[Signal]) -> list[Event]:
        """Admin tells gates something, again until `signals_taken` shows that they are over; gives what is news."""
        return [
            SignalReceived(signal.node_path, signal)
            for signal in signals
            if self._signals.wants(signal.node_path)
        ]

    def called(self, paths: list[str]) -> list[Event]:
        """Admin tells of calls, again until `calls_taken` shows that the run has them; gives what is news."""
        return [CallMade(*_owner_and_call(path)) for path in self._calls.hear(paths)]

    def signals_taken(self) -> list[str]:
        """Paths of gates that were told something and are over in the status that was accepted last."""
        return self._signals.taken()

    def calls_taken(self) -> list[str]:
        """Paths of calls that the status that was accepted last shows."""
        return self._calls.taken()

    def give_call_key(self, key: bytes) -> None:
        """Admin says what tokens of attempts are made with."""
        self._call_key, self.wants_call_key = key, False

    def call_key(self) -> bytes:
        """What they are made with; empty before admin has said it, which it is asked for then."""
        if not self._call_key and not self.wants_call_key:
            self.wants_call_key = True
            self._news()
        return self._call_key

    def observe(self, graph: Graph, state: State, version: int) -> None:
        """The state is at a version."""
        # What admin tells again may stand in the status already, and then nothing changes.
        if self._signals.observe(graph, state, version) | self._calls.observe(graph, state, version):
            self._news()

    def accept(self, version: int) -> None:
        """A status of that version was accepted."""
        if self._signals.accept(version) | self._calls.accept(version):
            self._news()


def _owner_and_call(path: str) -> tuple[str, str]:
    owner, _, call = path.rpartition("/")
    return owner, call
