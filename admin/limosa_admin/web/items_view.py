"""A map's items and a node's attempts as tables."""

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
    # An operator that publishes no times of items publishes those of their launches.
    took = {snapshot.key.index: _lasted(snapshot.launch, now) for snapshot in node.launches}
    words = {index: phases.state_word(state, index in took) for index, state in node.items.items()}
    order = sorted(node.items.items(), key=lambda item: (_FIRST.get(words[item[0]], 3), item[0]))
    rows = []
    for index, state in order[:MOST_ITEMS]:
        link = el("a", f"[{index}]", href="?" + urlencode({"node": node.path, "index": index}) + "#data")
        cells = [
            el("td", link),
            el("td", phases.pill(words[index])),
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


def attempts(node: TreeNode, chosen: int | None, attempt: int | None, now: dt.datetime) -> Markup | None:
    """Launches of the chosen node item, each leading to its log; None where there is nothing to tell.

    Args:
        node: Whose they are.
        chosen: Index of the chosen item, None: the node's own.
        attempt: From 1, the one whose log is shown; None: the latest.
        now: Ends the times of what runs.
    """
    shown = [s for s in node.launches if (s.key.index if s.key.HasField("index") else None) == chosen]
    if not shown:
        return None
    rows = []
    for snapshot in shown:
        launch = snapshot.launch
        name = run_pb2.LaunchPhase.Name(launch.phase).removeprefix("LAUNCH_PHASE_").lower()
        detail = launch.failure.message or launch.reason.detail
        number = snapshot.key.launch + 1
        address = {"node": node.path, "index": chosen, "attempt": number}
        query = urlencode({name: value for name, value in address.items() if value is not None})
        cells = [
            el("td", el("a", f"attempt {number}", href=f"?{query}#logs", title="Show its log")),
            el("td", phases.pill(name)),
            el("td", _lasted(launch, now), class_="number"),
            el("td", el("code", launch.pod), class_="quiet"),
            el("td", detail, class_="quiet clip"),
        ]
        rows.append(el("tr", cells, class_="selected" if number == attempt else None))
    return el("section", el("h3", "Attempts"), el("table", el("tbody", rows)))


def _lasted(launch: run_pb2.LaunchState, now: dt.datetime) -> str:
    times = span(launch.started_at, launch.finished_at, now)
    return phases.lasted((times[1] - times[0]).total_seconds()) if times else ""
