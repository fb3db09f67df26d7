"""A run's graph as a picture: one box a node, containers for sub-workflows and branches, a bar for maps."""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence

from limosa_admin.web import phases
from limosa_admin.web.graph_layout import Box, Layout, Point, lay_out
from limosa_admin.web.html import Markup, el
from limosa_admin.web.run_tree import RunTree, TreeNode, duration

LEAF_WIDTH = 172
LEAF_HEIGHT = 52
PADDING = 14
TITLE = 30
MOST_DEPTH = 4
MOST_NODES = 400
"""Nodes drawn; a larger graph is left to the table below it."""
WIDEST_FITTED = 1700
"""Pixels up to which a picture is shrunk to the page; a wider one scrolls, so that it can still be read."""
_TEXT_LEFT = 30
_TEXT_RIGHT = 12
"""Pixels of a box left and right of its texts."""
_GAP = 8
"""Pixels between two texts of a line."""
_NAME_PX = 7.4
_DETAIL_PX = 6.6
"""Width of a middling character of a name and of a detail."""
_NARROW = frozenset("iljtfrI.,:;'|![]() ·1")
_WIDE = frozenset("mwMWQOGCD@%…")
_KIND_WORDS = {
    "map": "map",
    "branch": "branch",
    "check": "check",
    "sub_workflow": "workflow",
    "dynamic": "dynamic",
    "eager": "eager",
}

Link = Callable[[TreeNode], str]


def render(tree: RunTree, link: Link, selected: str, now: dt.datetime) -> Markup:
    """The picture, or a sentence where there are too many nodes.

    Args:
        tree: The run.
        link: Address of a node.
        selected: Path of the node to mark.
        now: Ends the durations of what runs.
    """
    if not tree.nodes:
        return el("p", "This workflow has no nodes: its outputs are its inputs.", class_="quiet")
    if sum(1 for _ in tree.walk()) > MOST_NODES:
        return el("p", f"More than {MOST_NODES} nodes: see the timeline below.", class_="quiet")
    picture = _Picture(link, selected, now)
    body, width, height = picture.scope(tree.nodes, tree.edges, 0)
    margin = 4
    return el(
        "svg",
        el("g", body, transform=f"translate({margin} {margin})"),
        class_="graph" if width > WIDEST_FITTED else "graph fitted",
        role="img",
        aria_label="Graph of the run's nodes",
        width=round(width + 2 * margin),
        height=round(height + 2 * margin),
        viewBox=f"0 0 {width + 2 * margin:.0f} {height + 2 * margin:.0f}",
    )


class _Picture:
    def __init__(self, link: Link, selected: str, now: dt.datetime) -> None:
        self._link = link
        self._selected = selected
        self._now = now

    def scope(
        self, nodes: Sequence[TreeNode], edges: Sequence[tuple[str, str]], depth: int
    ) -> tuple[Markup, float, float]:
        """Nodes that see each other, with its width and height."""
        inner = {node.id: self._inner(node, depth) for node in nodes}
        boxes = [Box(node.id, inner[node.id][1], inner[node.id][2]) for node in nodes]
        layout = lay_out(boxes, edges)
        classes = {node.id: phases.css_class(node.phase) for node in nodes}
        lines = [
            el("path", d=_curve(points), class_=f"edge {classes[start]}")
            for (start, _), points in zip(edges, layout.lines, strict=True)
        ]
        drawn = [self._node(node, inner[node.id][0], layout) for node in nodes]
        return el("g", lines, drawn), layout.width, layout.height

    def _inner(self, node: TreeNode, depth: int) -> tuple[Markup | None, float, float]:
        """What a container holds and the size of the node's box."""
        if not node.children or depth >= MOST_DEPTH:
            return None, LEAF_WIDTH, LEAF_HEIGHT
        body, width, height = self.scope(node.children, node.edges, depth + 1)
        return body, max(width, LEAF_WIDTH) + 2 * PADDING, height + TITLE + 2 * PADDING

    def _node(self, node: TreeNode, inner: Markup | None, layout: Layout) -> Markup:
        box = layout.boxes[node.id]
        classes = ["node", phases.css_class(node.phase), "container" if inner is not None else "leaf"]
        if node.path == self._selected:
            classes.append("selected")
        tip = ", ".join(
            part
            for part in (
                f"{node.path}: {node.name} ({node.target or node.kind})",
                node.phase,
                node.state.reason.code,
                phases.taken_from(node.state),
                node.case,
            )
            if part
        )
        content = [
            el("title", tip),
            el("rect", width=box.width, height=box.height, rx=8, class_="box"),
        ]
        if node.kind == "map":
            content.insert(
                1, el("rect", x=4, y=-4, width=box.width - 4, height=box.height, rx=8, class_="box behind")
            )
        content += self._labels(node, box, inner is not None)
        link = el("a", content, href=self._link(node))
        body = (
            el("g", inner, transform=f"translate({PADDING} {TITLE + PADDING})") if inner is not None else None
        )
        return el("g", link, body, class_=" ".join(classes), transform=f"translate({box.x:.1f} {box.y:.1f})")

    def _labels(self, node: TreeNode, box: Box, container: bool) -> list[Markup]:
        kind = _KIND_WORDS.get(node.kind, "")
        bar = not container and node.kind == "map" and node.state.items
        corner = f"{node.state.items_succeeded}/{node.state.items}" if bar else ""
        if container:
            corner = f"{kind} · {node.case}" if node.case else kind
        # Half of the line is the name's, whatever stands in the corner.
        room = box.width - _TEXT_LEFT - _TEXT_RIGHT
        corner = _fitted(corner, room / 2, _DETAIL_PX)
        taken = _width(corner, _DETAIL_PX) + _GAP if corner else 0
        name = _fitted(node.name, room - taken, _NAME_PX)
        labels = [
            el("circle", cx=16, cy=16.5, r=5, class_="dot"),
            el("text", name, x=_TEXT_LEFT, y=21, class_="name"),
            el("text", corner, x=box.width - _TEXT_RIGHT, y=21, class_="kind end") if corner else None,
        ]
        if bar:
            labels += self._map_bar(node, box)
        elif not container:
            labels += self._detail(node, kind, room)
        return [label for label in labels if label is not None]

    def _detail(self, node: TreeNode, kind: str, room: float) -> list[Markup]:
        """The second line: what the node waits for or how far it is, and its time where both fit."""
        reason = node.state.reason.code
        origin = phases.ORIGIN_WORDS.get(node.state.origin, "")
        detail = node.case or " · ".join(part for part in (kind, reason or origin or node.phase) if part)
        time = duration(node.state, self._now)
        left = room - _width(time, _DETAIL_PX) - _GAP if time else room
        if reason and _width(detail, _DETAIL_PX) > left:
            # The timeline has the time as well, and nothing else in the picture has the reason.
            time, left = "", room
        right = LEAF_WIDTH - _TEXT_RIGHT
        return [
            el("text", _fitted(detail, left, _DETAIL_PX), x=_TEXT_LEFT, y=39, class_="kind"),
            el("text", time, x=right, y=39, class_="kind end"),
        ]

    def _map_bar(self, node: TreeNode, box: Box) -> list[Markup]:
        state, length = node.state, box.width - 42
        done = length * state.items_succeeded / state.items
        failed = length * state.items_failed / state.items
        return [
            el("rect", x=30, y=34, width=length, height=6, rx=3, class_="track"),
            el("rect", x=30, y=34, width=round(done, 1), height=6, rx=3, class_="done"),
            el("rect", x=round(30 + done, 1), y=34, width=round(failed, 1), height=6, rx=3, class_="undone"),
        ]


def _curve(points: Sequence[Point]) -> str:
    x, y = points[0]
    path = [f"M{x:.1f} {y:.1f}"]
    for left, right in itertools.pairwise(points):
        bend = (left[0] + right[0]) / 2
        path.append(f"C{bend:.1f} {left[1]:.1f} {bend:.1f} {right[1]:.1f} {right[0]:.1f} {right[1]:.1f}")
    return " ".join(path)


def _width(text: str, middling: float) -> float:
    """Pixels that a text takes up at most, from the width of a middling character: the server knows no fonts."""
    return sum(middling * (0.62 if c in _NARROW else 1.5 if c in _WIDE else 1.1) for c in text)


def _fitted(text: str, room: float, middling: float) -> str:
    """A text, cut where it is wider than so many pixels."""
    if _width(text, middling) <= room:
        return text
    while text and _width(text + "…", middling) > room:
        text = text[:-1]
    return text + "…"
