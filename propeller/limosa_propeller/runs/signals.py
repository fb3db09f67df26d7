"""Which signals of admin's a run's status shows to be taken."""

from limosa_engine.graph import Graph
from limosa_engine.phases import NODE_TERMINAL
from limosa_engine.state import State


class Signals:
    """Gates that admin told something, and since which version of the state they are over."""

    def __init__(self) -> None:
        self._over_since: dict[str, int | None] = {}
        self._accepted = 0
        """Version 0 is the status that the run was opened with."""

    def wants(self, path: str) -> bool:
        """Notes that a gate is told something; whether that is still news to it."""
        return self._over_since.setdefault(path, None) is None

    def observe(self, graph: Graph, state: State, version: int) -> bool:
        """The state is at a version; whether the status shows a gate to be over that was not known to be."""
        before = len(self.taken())
        for path, since in self._over_since.items():
            number = graph.by_path.get(path)
            if since is None and number is not None and state.nodes[number].phase in NODE_TERMINAL:
                self._over_since[path] = version
        return len(self.taken()) > before

    def accept(self, version: int) -> bool:
        """A status of that version was accepted; whether it shows gates to be over that no earlier one did."""
        before, self._accepted = self._accepted, max(self._accepted, version)
        return any(since is not None and before < since <= version for since in self._over_since.values())

    def taken(self) -> list[str]:
        """Paths of those that are over in the status that was accepted last."""
        return [
            path for path, since in self._over_since.items() if since is not None and since <= self._accepted
        ]
