"""One run: graph, timeline, inputs and outputs, error, log."""

import dataclasses
import datetime as dt
from urllib.parse import quote, urlencode

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError, not_found
from limosa_admin.run_data import ENDS_WITHOUT_RESULT
from limosa_admin.run_view import ENDS_WITHOUT_OUTPUTS, RunLog, RunView
from limosa_admin.store import entities, runs, snapshots
from limosa_admin.transfers import Transfers, project_of
from limosa_admin.web import failure_view, graph_view, items_view, phases, run_tree, timeline_view, value_view
from limosa_admin.web.frame import page
from limosa_admin.web.html import Child, Markup, el
from limosa_admin.web.run_tree import RunTree, TreeNode
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure

LOG_LINES = 300
LOG_LAUNCHES = 12
"""Launches whose logs a page without a chosen node shows, the newest."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """What somebody looks at: a run, within it a node or an item of a map, and which attempt's log (from 1)."""

    run: pb.RunId
    node_path: str
    index: int | None
    attempt: int | None = None


@dataclasses.dataclass(frozen=True)
class _Seen:
    """Everything read for one rendering."""

    choice: Choice
    row: sa.RowMapping
    message: pb.Run
    tree: RunTree
    data: pb.GetRunDataResponse
    now: dt.datetime

    @property
    def node(self) -> TreeNode | None:
        return self.tree.find(self.choice.node_path) if self.choice.node_path else None


class RunPage:
    """Reads and renders one run; the chosen node is in the address: node, index, attempt."""

    def __init__(self, view: RunView, transfers: Transfers) -> None:
        self._view = view
        self._transfers = transfers

    async def show(self, request: Request) -> Response:
        """The page. Without script it shows the state now."""
        identity: Identity = request.state.identity
        chosen = choice(request)
        parts, _ = await run_in_threadpool(self.parts, identity, chosen)
        log, left_out = await run_in_threadpool(self._log_text, identity, chosen)
        base = f"/runs/{chosen.run.project}/{chosen.run.domain}/{chosen.run.name}"
        query = "?" + urlencode(dict(request.query_params))
        body = el(
            "main",
            el("div", parts["head"], id="head"),
            el("div", parts["failure"], id="failure"),
            el("section", el("h2", "Graph"), el("div", parts["graph"], id="graph", class_="scroll")),
            el("section", el("h2", "Timeline"), el("div", parts["timeline"], id="timeline", class_="scroll")),
            el("section", el("div", parts["data"], id="data"), class_="panel"),
            el(
                "section",
                el("h2", "Log" if chosen.attempt is None else f"Log of attempt {chosen.attempt}", id="logs"),
                _left_out(left_out),
                el("pre", log, id="log", data_log=f"{base}/log{query}"),
                class_="panel",
            ),
            data_events=f"{base}/events{query}",
        )
        place = f"{chosen.run.project}/{chosen.run.domain}"
        query_place = urlencode({"project": chosen.run.project, "domain": chosen.run.domain})
        trail = [(place, f"/?{query_place}"), (chosen.run.name, base)]
        return HTMLResponse(page(chosen.run.name, trail, identity, body))

    async def download(self, request: Request) -> Response:
        """Leads to an object of a project the caller may read."""
        identity: Identity = request.state.identity
        key = self._transfers.key_of(request.query_params.get("uri", ""))
        identity.require_project(project_of(key))
        signed = await run_in_threadpool(self._transfers.sign_download, key)
        return RedirectResponse(signed.url, 303)

    def parts(self, identity: Identity, chosen: Choice) -> tuple[dict[str, Markup], bool]:
        """What changes while somebody looks, by element id, and whether the run has ended."""
        seen = self._read(identity, chosen)
        parts = {
            "head": _head(seen),
            "failure": _failure(seen),
            "graph": graph_view.render(seen.tree, _link, chosen.node_path, seen.now),
            "timeline": timeline_view.render(seen.tree, _link, chosen.node_path, _window(seen)),
            "data": _data(seen),
        }
        return parts, seen.row["phase"] in runs.TERMINAL

    def log(self, identity: Identity, chosen: Choice) -> RunLog:
        """The log of what is looked at, its last lines first."""
        row = self.row(identity, chosen)
        request = pb.TailLogsRequest(node_path=chosen.node_path, follow=True, tail_lines=LOG_LINES)
        if chosen.index is not None:
            request.index = chosen.index
        if chosen.attempt is not None:
            request.launch = chosen.attempt - 1
        return self._view.log(row, request, LOG_LAUNCHES)

    def row(self, identity: Identity, chosen: Choice) -> sa.RowMapping:
        """The run's row. Raises RequestError(FORBIDDEN or NOT_FOUND)."""
        identity.require_project(chosen.run.project)
        with self._view.database.transaction() as connection:
            row = runs.find(connection, chosen.run)
        if row is None:
            raise not_found(f"run '{chosen.run.name}' in {chosen.run.project}/{chosen.run.domain}")
        return row

    def _read(self, identity: Identity, chosen: Choice) -> _Seen:
        uid = self.row(identity, chosen)["uid"]
        with self._view.database.snapshot() as connection:
            # A map may have ten thousand items; a page shows those of the node somebody chose.
            delta = snapshots.read(connection, uid, items_of=chosen.node_path)
            if delta is None:
                raise not_found(f"run '{chosen.run.name}'")
            closure = Closure.FromString(entities.spec(connection, delta.run["closure_digest"]))
        try:
            data = self._view.data(delta.run, chosen.node_path, chosen.index)
        except RequestError as error:
            if error.reason is not Reason.DAMAGED:
                raise
            # One damaged value must not hide the rest of the page.
            data = pb.GetRunDataResponse(note=error.message)
        tree = run_tree.build(closure, delta.snapshots)
        now = dt.datetime.now(dt.timezone.utc)
        return _Seen(chosen, delta.run, self._view.message(delta.run), tree, data, now)

    def _log_text(self, identity: Identity, chosen: Choice) -> tuple[list[Markup], int]:
        log = self.log(identity, chosen)
        return [log_line(chunk, chosen) for chunk in log.read()], log.left_out


def choice(request: Request) -> Choice:
    """What an address is about. Raises RequestError(INVALID)."""
    index, attempt = _number(request, "index"), _number(request, "attempt")
    if attempt == 0:
        raise RequestError(Reason.INVALID, "attempt '0': attempts are counted from 1")
    run = pb.RunId(**{key: request.path_params[key] for key in ("project", "domain", "name")})
    return Choice(run, request.query_params.get("node", "").strip("/"), index, attempt)


def _number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name, "")
    if value and not (value.isascii() and value.isdigit() and len(value) < 10):
        raise RequestError(Reason.INVALID, f"{name} '{value[:20]}' is not a number")
    return int(value) if value else None


def _left_out(count: int) -> Child:
    if not count:
        return None
    others = "1 other's is" if count == 1 else f"{count} others' are"
    return el("p", f"Logs of the {LOG_LAUNCHES} that began last; {others} shown when you choose the node.")


def log_line(chunk: pb.LogChunk, chosen: Choice) -> Markup:
    """A chunk of a log, with its node before it where several nodes' are mixed."""
    if chosen.node_path and chosen.index is not None:
        return el("span", chunk.text)
    place = chunk.node_path + (f"[{chunk.index}]" if chunk.HasField("index") else "")
    if chosen.node_path and not chunk.HasField("index"):
        return el("span", chunk.text)
    return el("span", [[el("b", f"{place} "), line] for line in chunk.text.splitlines(keepends=True)])


def _link(node: TreeNode) -> str:
    return "?" + urlencode({"node": node.path}) + "#data"


def _head(seen: _Seen) -> Markup:
    run, state = seen.message, seen.message.state
    phase = phases.run_phase(state.phase)
    times = run_tree.span(state.started_at, state.finished_at, seen.now)
    facts = [
        ("Workflow", f"{run.target.name} {run.target.version}"),
        ("Created", phases.ago(phases.moment(run.created_at), seen.now)),
        ("By", run.created_by),
        ("Time", phases.lasted((times[1] - times[0]).total_seconds()) if times else "–"),
        ("Nodes", f"{state.nodes_done} of {state.nodes_total}" if state.nodes_total else "–"),
        ("Cluster", run.cluster or "–"),
    ]
    shown = [el("div", el("dt", name), el("dd", value)) for name, value in facts]
    notes = []
    if run.resumed_from:
        # Beside this page: the same project and domain.
        notes.append(
            el("p", "Goes on from ", el("a", run.resumed_from, href=run.resumed_from), class_="note")
        )
    if run.HasField("parent"):
        parent = el("a", run.parent.run_name, href=quote(run.parent.run_name))
        notes.append(el("p", "Made by run ", parent, f", node {run.parent.node_path}", class_="note"))
    if run.abort_requested:
        notes.append(el("p", f"Abort: {run.abort_reason}", class_="note"))
    if state.reason.code and seen.row["phase"] not in runs.TERMINAL:
        detail = f": {state.reason.detail}" if state.reason.detail else ""
        notes.append(el("p", f"{state.reason.code}{detail}", class_="note"))
    title = el("div", el("h1", run.name), phases.pill(phase), class_="title")
    return el("div", title, notes, el("dl", shown, class_="facts"))


def _failure(seen: _Seen) -> Markup:
    failure = _failure_of(seen)
    if failure is None:
        return el("span")
    more = _unmet(seen, failure)
    return el("section", el("h2", "Error"), failure_view.render(failure, more))


def _unmet(seen: _Seen, failure: Failure) -> str:
    """Why a map that tolerates failed items has failed all the same; else empty."""
    node = seen.tree.find(failure.origin.node_path)
    why = node.unmet if node is not None and seen.choice.index is None else ""
    return f"The map failed: {why}" if why else ""


def _failure_of(seen: _Seen) -> Failure | None:
    """The chosen node's, else the run's; the node that it came from usually knows more than the run does."""
    if seen.node is not None:
        return seen.node.failure(seen.choice.index)
    run = seen.message.state
    if not run.HasField("failure"):
        return None
    if run.failure.HasField("cause"):
        return seen.tree.failure_at(run.failure.cause) or run.failure
    origin = seen.tree.find(run.failure.origin.node_path)
    known = origin.failure() if origin is not None else None
    if known is not None and known.HasField("exception") and not run.failure.HasField("exception"):
        return known
    return run.failure


def _data(seen: _Seen) -> Markup:
    node = seen.node
    over = _over(seen)
    if node is None:
        # The table says it; the note says it for clients without one.
        note = "" if over else seen.data.note
        return el("div", el("h2", "Run"), value_view.render(seen.data, note, over))
    values = value_view.render(seen.data, _note(seen, node, over), over)
    index = seen.choice.index
    item = "" if index is None else f"[{index}]"
    everything = el("a", "show the run", href="?")
    title = el("h2", f"{node.name}{item} ", el("code", node.path), " ", everything)
    child = (
        el("a", f"run {node.state.child_run}", href=quote(node.state.child_run))
        if node.state.child_run
        else None
    )
    target = el("p", node.target, " " if child else None, child, class_="quiet") if node.target else None
    items = items_view.render(node, index, seen.now) if node.items else None
    return el(
        "div",
        title,
        target,
        _origin(node, index),
        values,
        items,
        items_view.attempts(node, index, seen.choice.attempt, seen.now),
    )


def _note(seen: _Seen, node: TreeNode, over: str) -> str:
    """Why a node's values are not known, unless the tables say it."""
    item = node.items.get(seen.choice.index) if seen.choice.index is not None else None
    state = item or node.state
    never = state.phase == run_pb2.NODE_PHASE_SKIPPED or _word(node, seen.choice.index) == phases.NOT_RUN
    ended = state.phase in ENDS_WITHOUT_RESULT and (never or seen.data.HasField("inputs"))
    return "" if over and ended and seen.data.HasField("interface") else seen.data.note


def _word(node: TreeNode, index: int | None) -> str:
    """The phase of a node or of an item of it as a word."""
    state = node.items.get(index) if index is not None else None
    if state is None:
        return node.phase
    return phases.state_word(state, any(one.key.index == index for one in node.launches))


def _origin(node: TreeNode, index: int | None) -> Markup | None:
    """Whose result it is where no launch of this run made it, with that run beside this page."""
    state = node.items.get(index, node.state) if index is not None else node.state
    word = phases.ORIGIN_WORDS.get(state.origin)
    if word is None:
        return None
    whose = (
        [", from run ", el("a", state.origin_run, href=quote(state.origin_run))] if state.origin_run else None
    )
    return el("p", word, whose, class_="note")


def _over(seen: _Seen) -> str:
    """Why values of what is looked at that are not known will not come; "" while they may."""
    if seen.node is not None:
        item = seen.node.items.get(seen.choice.index) if seen.choice.index is not None else None
        phase = (item or seen.node.state).phase
        if _word(seen.node, seen.choice.index) == phases.NOT_RUN:
            return f"the {'item' if item else 'node'} was not run"
        if phase in ENDS_WITHOUT_RESULT:
            return f"the {'item' if item else 'node'} {ENDS_WITHOUT_RESULT[phase]}"
        if phase == run_pb2.NODE_PHASE_SUCCEEDED:
            return "not shown here, see below"
    end = ENDS_WITHOUT_OUTPUTS.get(seen.message.state.phase)
    return f"the run {end}" if end else ""


def _window(seen: _Seen) -> tuple[dt.datetime, dt.datetime]:
    state = seen.message.state
    times = run_tree.span(state.started_at, state.finished_at, seen.now)
    if times is not None:
        return times
    return phases.moment(seen.message.created_at), seen.now
