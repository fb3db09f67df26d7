"""A run's nodes as rows with bars: when each waited and ran."""

import datetime as dt
from collections.abc import Callable, Iterator

from limosa_admin.web import phases
from limosa_admin.web.html import Markup, el
from limosa_admin.web.run_tree import RunTree, TreeNode, duration, span

MOST_ROWS = 500
_SCALE = 1000
_OVER = frozenset({"succeeded", "failed", "aborted", "skipped", phases.NOT_RUN})


def render(
    tree: RunTree, link: Callable[[TreeNode], str], selected: str, window: tuple[dt.datetime, dt.datetime]
) -> Markup:
    """A table: node, phase, duration, bar; nested nodes below their parents.

    Args:
        tree: The run.
        link: Address of a node.
        selected: Path of the node to mark.
        window: When the run began, and when it ended or now is.
    """
    rows: list[Markup] = []
    for node, depth in _rows(tree):
        if len(rows) == MOST_ROWS:
            rows.append(el("tr", el("td", f"More than {MOST_ROWS} nodes.", colspan=4, class_="quiet")))
            break
        rows.append(_row(node, depth, link, selected, window))
    headings = [el("th", name) for name in ("Node", "Phase", "Time", "")]
    return el("table", el("thead", el("tr", headings)), el("tbody", rows), class_="timeline")


def _rows(tree: RunTree) -> Iterator[tuple[TreeNode, int]]:
    for node in tree.walk():
        # A branch's untaken cases would only be noise.
        if node.phase != "skipped" or not node.case:
            yield node, node.path.count("/")


def _row(
    node: TreeNode,
    depth: int,
    link: Callable[[TreeNode], str],
    selected: str,
    window: tuple[dt.datetime, dt.datetime],
) -> Markup:
    launches = max((launch.key.launch + 1 for launch in node.launches), default=0)
    note = f"{launches} attempts" if launches > 1 else phases.taken_from(node.state)
    reason = node.state.reason
    if reason.code and node.phase in ("queued", "running", "retrying", "waiting"):
        note = f"{reason.code}: {reason.detail}" if reason.detail else reason.code
    name = el("a", node.name, href=link(node))
    label = el("td", name, " ", el("code", node.path), class_=f"depth{min(depth, 6)}")
    cells = [
        label,
        el("td", phases.pill(node.phase), el("span", note, class_="note") if note else None),
        el("td", duration(node.state, window[1]), class_="number"),
        el("td", _bar(node, window), class_="bar"),
    ]
    return el("tr", cells, class_="selected" if node.path == selected else None)


def _bar(node: TreeNode, window: tuple[dt.datetime, dt.datetime]) -> Markup:
    begin, end = window
    total = max((end - begin).total_seconds(), 0.001)

    def place(when: dt.datetime) -> float:
        return min(max((when - begin).total_seconds() / total, 0), 1) * _SCALE

    parts = []
    state = node.state
    # What never began waited until it ended; a result that was taken over took no time worth a bar.
    until = state.started_at if state.HasField("started_at") else state.finished_at
    over = node.phase in _OVER and not until.ToNanoseconds()
    waited = None if state.origin or over else span(state.queued_at, until, end)
    if waited is not None:
        parts.append(_rect(place(waited[0]), place(waited[1]), "waited"))
    ran = span(node.state.started_at, node.state.finished_at, end)
    if ran is not None:
        parts.append(_rect(place(ran[0]), place(ran[1]), f"ran {phases.css_class(node.phase)}"))
    return el("svg", parts, viewBox=f"0 0 {_SCALE} 10", preserveAspectRatio="none", aria_hidden="true")


def _rect(left: float, right: float, classes: str) -> Markup:
    # Nothing that happened is too short to be seen.
    return el("rect", x=round(left, 1), y=0, width=round(max(right - left, 4), 1), height=10, class_=classes)
