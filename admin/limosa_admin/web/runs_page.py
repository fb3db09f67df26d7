"""The list of runs."""

import datetime as dt
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from limosa_admin import page_tokens
from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.run_view import RunView
from limosa_admin.store import runs
from limosa_admin.web import phases
from limosa_admin.web.frame import page
from limosa_admin.web.html import Markup, el
from limosa_admin.web.run_tree import span
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2

_FILTERS = {
    "": (),
    "active": (
        run_pb2.RUN_PHASE_QUEUED,
        run_pb2.RUN_PHASE_RUNNING,
        run_pb2.RUN_PHASE_FAILING,
        run_pb2.RUN_PHASE_ABORTING,
        run_pb2.RUN_PHASE_PARKED,
    ),
    "succeeded": (run_pb2.RUN_PHASE_SUCCEEDED,),
    "failed": (run_pb2.RUN_PHASE_FAILED,),
    "aborted": (run_pb2.RUN_PHASE_ABORTED,),
}
_NARROWING = ("phase", "project", "domain", "target", "page")
"""Parts of the address that leave runs out."""
_COLUMNS = ("Run", "Phase", "Workflow", "Nodes", "Started", "Time", "By")


class RunsPage:
    """Every run the caller may see, newest first; filters are in the address: phase, project, domain, target, page."""

    def __init__(self, view: RunView) -> None:
        self._view = view

    async def show(self, request: Request) -> Response:
        """The page."""
        identity: Identity = request.state.identity
        parts = await run_in_threadpool(self.parts, identity, request.query_params)
        query = urlencode(dict(request.query_params))
        body = el(
            "main",
            el("div", el("h1", "Runs"), _filters(request.query_params), class_="heading"),
            el("div", parts["runs"], id="runs"),
            data_events=f"/events?{query}",
        )
        return HTMLResponse(page("Runs", [], identity, body))

    def parts(self, identity: Identity, query: Mapping[str, str]) -> dict[str, Markup]:
        """What changes while somebody looks, by element id."""
        phase = query.get("phase", "")
        if phase not in _FILTERS:
            raise RequestError(
                Reason.INVALID, f"phase '{phase}' is not one of {', '.join(filter(None, _FILTERS))}"
            )
        wanted = pb.ListRunsRequest(
            project=query.get("project", ""),
            domain=query.get("domain", ""),
            target=query.get("target", ""),
            phases=_FILTERS[phase],
        )
        if wanted.project:
            identity.require_project(wanted.project)
        before = page_tokens.decode_number(query.get("page", ""))
        with self._view.database.transaction() as connection:
            rows, following = runs.list_page(
                connection, wanted, sorted(identity.projects), page_tokens.DEFAULT_LIMIT, before
            )
        found = self._view.messages(rows)
        return {"runs": el("div", table(found, query), _older(query, following))}


def _filters(query: Mapping[str, str]) -> Markup:
    links = []
    for name in _FILTERS:
        kept = {key: value for key, value in query.items() if key not in ("phase", "page")}
        target = "/?" + urlencode({**kept, "phase": name}) if name else "/?" + urlencode(kept)
        current = query.get("phase", "") == name
        links.append(el("a", name or "all", href=target, aria_current="page" if current else None))
    return el("nav", links, class_="filters", aria_label="Phases")


def table(found: Sequence[pb.Run], query: Mapping[str, str]) -> Markup:
    """Runs as rows, or a sentence where there is none."""
    if not found and any(query.get(name) for name in _NARROWING):
        return el("p", "No runs match. ", el("a", "Show all runs", href="/"), class_="empty")
    if not found:
        command = el("code", "limosa run --remote FILE")
        return el("p", "No runs here yet. Start one with ", command, ".", class_="empty")
    now = dt.datetime.now(dt.timezone.utc)
    head = el("thead", el("tr", [el("th", name) for name in _COLUMNS]))
    return el("table", head, el("tbody", [_row(run, now) for run in found]), class_="runs")


def _row(run: pb.Run, now: dt.datetime) -> Markup:
    state = run.state
    phase = phases.run_phase(state.phase)
    times = span(state.started_at, state.finished_at, now)
    began = times[0] if times else phases.moment(run.created_at)
    progress = f"{state.nodes_done}/{state.nodes_total}" if state.nodes_total else ""
    version = el("span", run.target.version, class_="quiet") if run.target.version else None
    place = el("span", f"{run.project}/{run.domain}", class_="quiet")
    link = f"/runs/{run.project}/{run.domain}/{run.name}"
    reason = (
        el("span", state.reason.code, class_="quiet", title=state.reason.detail)
        if state.reason.code
        else None
    )
    shown = phases.pill("aborting" if run.abort_requested and phase == "running" else phase)
    return el(
        "tr",
        el("td", el("a", run.name, href=link, class_="run"), place, class_="two"),
        el("td", shown, " ", reason),
        el("td", el("span", run.target.name), version, class_="two"),
        el("td", progress, class_="number"),
        el("td", phases.ago(began, now)),
        el("td", phases.lasted((times[1] - times[0]).total_seconds()) if times else "", class_="number"),
        el("td", run.created_by, class_="quiet"),
    )


def _older(query: Mapping[str, str], following: int | None) -> Markup | None:
    if following is None:
        return None
    target = "/?" + urlencode({**query, "page": page_tokens.encode(following)})
    return el("p", el("a", "Older runs", href=target, rel="next"))
