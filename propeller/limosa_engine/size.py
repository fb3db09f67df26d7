"""How large an encoded state can get: what admission rests on. Sizes are in bytes, as base64."""

from limosa_engine.graph import Graph
from limosa_model.state_size import ITEM, NODE, Unfolded, as_base64, state_size

_GROWTH = 32
"""Most bytes of a dynamic node's graph, or of a call, beyond its nodes: node number, digest, counts."""
_CALL = 5
"""Most bytes of a call beyond that and its id."""


def worst_case_size(graph: Graph) -> int:
    """Most bytes that the state can take before any map expands, with the graphs and calls known so far."""
    grown = len(graph.grown) * (_GROWTH + _CALL) + graph.call_bytes
    return state_size(Unfolded(len(graph.nodes), graph.launching), grown)


def graph_size(nodes: int, call: str = "") -> int:
    """Most bytes that a dynamic node's graph, or a call of this id, can add, maps not expanded."""
    return as_base64(_GROWTH + _CALL + len(call) + nodes * (NODE + ITEM))


def map_size(items: int) -> int:
    """Most bytes that the items of maps can add."""
    return as_base64(items * ITEM)
