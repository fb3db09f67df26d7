"""How large an encoded state can get: what admission rests on. Sizes are in bytes, as base64."""

import math

from limosa_engine.graph import Graph

_NODE = 15.5
"""Most bytes of a node: half of a phase, three times of four, a code, two counts."""
_ITEM = 11
"""Most bytes of an item: half of a phase, gap, three counters, launches, code, wake time of four."""
_GROWTH = 32
"""Most bytes of a dynamic node's graph beyond its nodes: node number, digest, counts."""
_RUN = 2048
"""Most bytes of all else: the run's own fields and some dozens of failure codes."""


def worst_case_size(graph: Graph) -> int:
    """Most bytes that the state can take before any map expands, with the graphs of dynamic nodes known so far."""
    return _base64(_RUN + len(graph.nodes) * _NODE + graph.launching * _ITEM + len(graph.grown) * _GROWTH)


def graph_size(nodes: int) -> int:
    """Most bytes that a dynamic node's graph can add, maps not expanded."""
    return _base64(_GROWTH + nodes * (_NODE + _ITEM))


def map_size(items: int) -> int:
    """Most bytes that the items of maps can add."""
    return _base64(items * _ITEM)


def _base64(size: float) -> int:
    return math.ceil(size / 3) * 4
