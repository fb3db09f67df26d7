"""A map's items and a node's launches as tables."""

import datetime as dt
from urllib.parse import urlencode

from limosa_admin.web import phases
from limosa_admin.web.html import Markup, el
from limosa_admin.web.run_tree import TreeNode, duration, span
from limosa_idl.run.v1alpha1 import run_pb2

MOST_ITEMS = 200
_FIRST = {"failed": 0, "running": 1, "retrying": 1, "queued": 2}


def render(node: TreeNode, chosen: int | None, now: dt.datetime) -> Markup:
    """Items of a map: failed ones first, then running ones."""
    order = sorted(
        node.items.items(), key=lambda item: (_FIRST.get(phases.node_phase(item[1].phase), 3), item[0])
    )
    # An operator that publishes no times of items publishes those of their launches.
    took = {snapshot.key.index: _lasted(snapshot.launch, now) for snapshot in node.launches}
    rows = []
    for index, state in order[:MOST_ITEMS]:
        link = el("a", f"[{index}]", href="?" + urlencode({"node": node.path, "index": index}) + "#data")
        cells = [
            el("td", link),
            el("td", phases.pill(phases.node_phase(state.phase))),
            el("td", duration(state, now) or took.get(index, ""), class_="number"),
            el(
                "td",
                state.failure.message or state.reason.detail or phases.taken_from(state),
                class_="quiet clip",
            ),
        ]
        rows.append(el("tr", cells, class_="selected" if index == chosen else None))
    left = len(order) - len(rows)
    more = el("p", f"{left} more items: add &index=N to the address.", class_="quiet") if left > 0 else None
    return el("section", el("h3", f"Items ({len(order)})"), el("table", el("tbody", rows)), more)


def launches(node: TreeNode, chosen: int | None, now: dt.datetime) -> Markup | None:
    """Launches of the chosen node item; None where there is nothing to tell."""
    shown = [s for s in node.launches if (s.key.index if s.key.HasField("index") else None) == chosen]
    if not shown:
        return None
    rows = []
    for snapshot in shown:
        launch = snapshot.launch
        name = run_pb2.LaunchPhase.Name(launch.phase).removeprefix("LAUNCH_PHASE_").lower()
        detail = launch.failure.message or launch.reason.detail
        cells = [
            el("td", f"#{snapshot.key.launch}"),
            el("td", phases.pill(name)),
            el("td", _lasted(launch, now), class_="number"),
            el("td", el("code", launch.pod), class_="quiet"),
            el("td", detail, class_="quiet clip"),
        ]
        rows.append(el("tr", cells))
    return el("section", el("h3", "Launches"), el("table", el("tbody", rows)))


def _lasted(launch: run_pb2.LaunchState, now: dt.datetime) -> str:
    times = span(launch.started_at, launch.finished_at, now)
    return phases.lasted((times[1] - times[0]).total_seconds()) if times else ""
