"""How large an encoded state can get: what admission rests on. Sizes are in bytes, as base64."""

import math

from limosa_engine.graph import Graph

_NODE = 15.5
"""Most bytes of a node: half of a phase, three times of four, a code, two counts."""
_ITEM = 11
"""Most bytes of an item: half of a phase, gap, three counters, launches, code, wake time of four."""
_GROWTH = 32
"""Most bytes of a dynamic node's graph, or of a call, beyond its nodes: node number, digest, counts."""
_CALL = 5
"""Most bytes of a call beyond that and its id."""
_RUN = 2048
"""Most bytes of all else: the run's own fields and some dozens of failure codes."""


def worst_case_size(graph: Graph) -> int:
    """Most bytes that the state can take before any map expands, with the graphs and calls known so far."""
    grown = len(graph.grown) * (_GROWTH + _CALL) + graph.call_bytes
    return _base64(_RUN + len(graph.nodes) * _NODE + graph.launching * _ITEM + grown)


def graph_size(nodes: int, call: str = "") -> int:
    """Most bytes that a dynamic node's graph, or a call of this id, can add, maps not expanded."""
    return _base64(_GROWTH + _CALL + len(call) + nodes * (_NODE + _ITEM))


def map_size(items: int) -> int:
    """Most bytes that the items of maps can add."""
    return _base64(items * _ITEM)


def _base64(size: float) -> int:
    return math.ceil(size / 3) * 4
