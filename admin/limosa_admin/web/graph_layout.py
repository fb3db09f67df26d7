"""Where the boxes and lines of a graph go: layers from left to right, few crossings, short lines.

The usual four steps: rank by longest path, let long lines pass through places of their own, order each layer by its
neighbours, then pull every box towards them.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

LAYER_GAP = 42
BOX_GAP = 16
_SWEEPS = 6
Point = tuple[float, float]


@dataclasses.dataclass
class Box:
    """A box, in pixels from the top left of its graph. `width` and `height` are given, the rest is found."""

    id: str
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    layer: int = 0

    @property
    def middle(self) -> float:
        """Vertical centre."""
        return self.y + self.height / 2


@dataclasses.dataclass(frozen=True)
class Layout:
    """A graph with places.

    Attributes:
        boxes: By id.
        lines: For every edge, the points it passes through.
        width: Of the whole, in pixels.
        height: Of the whole, in pixels.
    """

    boxes: Mapping[str, Box]
    lines: list[list[Point]]
    width: float
    height: float


def lay_out(boxes: Sequence[Box], edges: Sequence[tuple[str, str]]) -> Layout:
    """Places boxes and lines. The edges must not have a cycle."""
    by_id = {box.id: box for box in boxes}
    _rank(by_id, edges)
    layers: list[list[Box]] = [[] for _ in range(max((box.layer for box in boxes), default=-1) + 1)]
    for box in boxes:
        layers[box.layer].append(box)
    chains = [_chain(by_id[start], by_id[end], layers) for start, end in edges]
    before, after = _neighbours(chains)
    _order(layers, before, after)
    _place(layers, before, after)
    width = max((box.x + box.width for layer in layers for box in layer), default=0.0)
    height = max((box.y + box.height for layer in layers for box in layer), default=0.0)
    return Layout(by_id, [_line(chain) for chain in chains], width, height)


def _rank(boxes: Mapping[str, Box], edges: Sequence[tuple[str, str]]) -> None:
    """Gives every box the layer after the last of those it waits for."""
    waits: dict[str, int] = dict.fromkeys(boxes, 0)
    following: dict[str, list[str]] = {key: [] for key in boxes}
    for start, end in edges:
        waits[end] += 1
        following[start].append(end)
    ready = [key for key, count in waits.items() if not count]
    while ready:
        key = ready.pop()
        for other in following[key]:
            boxes[other].layer = max(boxes[other].layer, boxes[key].layer + 1)
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)


def _chain(start: Box, end: Box, layers: list[list[Box]]) -> list[Box]:
    """An edge as boxes of neighbouring layers: thin ones hold its place where it passes others."""
    chain = [start]
    for layer in range(start.layer + 1, end.layer):
        place = Box("", 0, 6, layer=layer)
        layers[layer].append(place)
        chain.append(place)
    return [*chain, end]


def _neighbours(chains: Sequence[Sequence[Box]]) -> tuple[dict[int, list[Box]], dict[int, list[Box]]]:
    before: dict[int, list[Box]] = {}
    after: dict[int, list[Box]] = {}
    for chain in chains:
        for left, right in itertools.pairwise(chain):
            after.setdefault(id(left), []).append(right)
            before.setdefault(id(right), []).append(left)
    return before, after


def _order(layers: list[list[Box]], before: dict[int, list[Box]], after: dict[int, list[Box]]) -> None:
    """Sorts each layer by the mean position of its neighbours, back and forth."""
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        for layer in layers if forward else reversed(layers):
            positions = {id(box): place for other in layers for place, box in enumerate(other)}
            own = {id(box): place for place, box in enumerate(layer)}

            def key(
                box: Box,
                neighbours: dict[int, list[Box]] = neighbours,
                positions: dict[int, int] = positions,
                own: dict[int, int] = own,
            ) -> float:
                beside = [positions[id(other)] for other in neighbours.get(id(box), ())]
                return sum(beside) / len(beside) if beside else own[id(box)]

            layer.sort(key=key)


def _place(layers: list[list[Box]], before: dict[int, list[Box]], after: dict[int, list[Box]]) -> None:
    x = 0.0
    for layer in layers:
        column = max((box.width for box in layer), default=0.0)
        y = 0.0
        for box in layer:
            box.x, box.y = x + (column - box.width) / 2, y
            y += box.height + BOX_GAP
        x += column + LAYER_GAP
    for sweep in range(_SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _pull(layer, neighbours)
    top = min((box.y for layer in layers for box in layer), default=0.0)
    for layer in layers:
        for box in layer:
            box.y -= top


def _pull(layer: list[Box], neighbours: dict[int, list[Box]]) -> None:
    """Moves boxes towards the middle of their neighbours, without changing their order."""
    wanted = []
    for box in layer:
        beside = [other.middle for other in neighbours.get(id(box), ())]
        wanted.append(sum(beside) / len(beside) - box.height / 2 if beside else box.y)
    # What pushes down one way pushes up the other; the mean of both keeps the layer where it wants to be.
    down, edge = [], float("-inf")
    for box, y in zip(layer, wanted, strict=True):
        edge = max(edge, y)
        down.append(edge)
        edge += box.height + BOX_GAP
    up, edge = [], float("inf")
    for box, y in zip(reversed(layer), reversed(wanted), strict=True):
        edge = min(edge - box.height, y)
        up.append(edge)
        edge -= BOX_GAP
    for box, low, high in zip(layer, down, reversed(up), strict=True):
        box.y = (low + high) / 2


def _line(chain: Sequence[Box]) -> list[Point]:
    first, last = chain[0], chain[-1]
    passed = [(box.x + box.width / 2, box.middle) for box in chain[1:-1]]
    return [(first.x + first.width, first.middle), *passed, (last.x, last.middle)]
