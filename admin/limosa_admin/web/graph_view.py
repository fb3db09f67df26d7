"""A run's graph as a picture: one box a node, containers for sub-workflows and branches, a bar for maps."""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence

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
_CHARS = 19
_DETAIL_CHARS = 20
"""Characters of a box's second line, its time included."""
_KIND_WORDS = {"map": "map", "branch": "branch", "sub_workflow": "workflow", "dynamic": "dynamic"}

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
        phases = {node.id: node.phase for node in nodes}
        lines = [
            el("path", d=_curve(points), class_=f"edge {phases[start]}")
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
        classes = ["node", node.phase, "container" if inner is not None else "leaf"]
        if node.path == self._selected:
            classes.append("selected")
        tip = f"{node.path}: {node.name} ({node.target or node.kind}), {node.phase}"
        content = [
            el("title", f"{tip}, {node.case}" if node.case else tip),
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
        name = el("text", _short(node.name, _CHARS), x=30, y=21, class_="name")
        labels = [el("circle", cx=16, cy=16.5, r=5, class_="dot"), name]
        kind = _KIND_WORDS.get(node.kind, "")
        time = duration(node.state, self._now)
        if container:
            labels.append(
                el(
                    "text",
                    f"{kind} · {node.case}" if node.case else kind,
                    x=box.width - 12,
                    y=21,
                    class_="kind end",
                )
            )
            return labels
        if node.kind == "map" and node.state.items:
            return labels + self._map_bar(node, box)
        detail = node.case or " · ".join(
            part for part in (kind, node.state.reason.code or node.phase) if part
        )
        labels.append(el("text", _short(detail, _DETAIL_CHARS - len(time)), x=30, y=39, class_="kind"))
        labels.append(el("text", time, x=box.width - 12, y=39, class_="kind end"))
        return labels

    def _map_bar(self, node: TreeNode, box: Box) -> list[Markup]:
        state, length = node.state, box.width - 42
        done = length * state.items_succeeded / state.items
        failed = length * state.items_failed / state.items
        count = f"{state.items_succeeded}/{state.items}"
        return [
            el("text", count, x=box.width - 12, y=21, class_="kind end"),
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


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
