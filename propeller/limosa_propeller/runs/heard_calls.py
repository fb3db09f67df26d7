"""Which calls of eager nodes a run's status shows, of those that admin told of."""

from limosa_engine.graph import Graph
from limosa_engine.phases import NODE_TERMINAL
from limosa_engine.state import State


class HeardCalls:
    """Paths of calls that admin told of, and since which version of the state they are part of it."""

    def __init__(self) -> None:
        self._since: dict[str, int | None] = {}
        self._accepted = 0
        """Version 0 is the status that the run was opened with."""

    def hear(self, paths: list[str]) -> list[str]:
        """Takes what admin tells of; gives what the state does not have yet."""
        for path in paths:
            self._since.setdefault(path, None)
        return [path for path in paths if self._since[path] is None]

    def observe(self, graph: Graph, state: State, version: int) -> bool:
        """The state is at a version; whether the status shows a call that it was not known to show.

        Of calls that have ended admin tells no more as soon as it knows.
        """
        before = set(self.taken())
        for path, since in list(self._since.items()):
            number = graph.by_path.get(path)
            if number is not None and state.nodes[number].phase in NODE_TERMINAL:
                del self._since[path]
            elif since is None and _has(graph, state, path):
                self._since[path] = version
        return not before.issuperset(self.taken())

    def accept(self, version: int) -> bool:
        """A status of that version was accepted; whether it shows calls that no earlier one did."""
        before, self._accepted = self._accepted, max(self._accepted, version)
        return any(since is not None and before < since <= version for since in self._since.values())

    def taken(self) -> list[str]:
        """Paths of those that the status that was accepted last shows."""
        return [path for path, since in self._since.items() if since is not None and since <= self._accepted]


def _has(graph: Graph, state: State, path: str) -> bool:
    """Whether a call is a node, was refused, has its outcome, or comes too late."""
    owner, _, call = path.rpartition("/")
    number = graph.by_path.get(owner)
    if number is None:
        return False
    return bool(state.eager.heard.get((number, call))) or state.nodes[number].phase in NODE_TERMINAL
