"""A run's history, told per node."""

from limosa_engine.graph import Graph
from limosa_engine.state import RUN_NODE, State


def story(graph: Graph, state: State, node_path: str | None = None, index: int | None = None) -> list[str]:
    """What happened, oldest first, as far as it is remembered (`EngineSettings.story_length` entries a run).

    Args:
        graph: The run's graph.
        state: The run's state.
        node_path: Only this node; "" for what concerns the run itself; None for everything.
        index: Only this item of a map.
    """
    wanted = None if node_path is None else graph.by_path[node_path] if node_path else RUN_NODE
    start = state.started_at if state.started_at is not None else state.now
    return [
        f"+{when - start:.3f}s {_name(graph, number, position)}: {what}"
        for when, number, position, what in state.history
        if (wanted is None or number == wanted) and (index is None or position == index)
    ]


def _name(graph: Graph, number: int, position: int | None) -> str:
    if number == RUN_NODE:
        return "run"
    path = graph.nodes[number].path
    return path if position is None else f"{path}[{position}]"


class InvalidTransition(Exception):
    """The engine tried a transition that its tables do not have: a bug. Prints the node's story."""

    def __init__(self, what: str, given: str, wanted: str, told: list[str]) -> None:
        lines = "\n  ".join(told) or "(nothing is remembered)"
        super().__init__(f"{what}: {given} → {wanted} is not a transition\n  {lines}")
        self.what = what
        self.story = told
