"""A run as plain data, for scripts and tables."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from limosa.cli.tables import moment
from limosa.render.run_view import Attempt, RunView, span
from limosa_idl.admin.v1alpha1 import admin_pb2
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, Failure
from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.values import to_plain


def phase_name(phase: "run_pb2.RunPhase.ValueType") -> str:
    """A run's phase in lower case ("succeeded")."""
    return run_pb2.RunPhase.Name(phase).removeprefix("RUN_PHASE_").lower()


def node_phase_name(phase: "run_pb2.NodePhase.ValueType") -> str:
    """A node's phase in lower case."""
    return run_pb2.NodePhase.Name(phase).removeprefix("NODE_PHASE_").lower()


def run_facts(run: admin_pb2.Run) -> dict[str, Any]:
    """What a list shows of a run, and more."""
    state = run.state
    return {
        "name": run.name,
        "phase": phase_name(state.phase),
        "target": run.target.name,
        "version": run.target.version,
        "nodes": f"{state.nodes_done}/{state.nodes_total}" if state.nodes_total else "",
        "project": run.project,
        "domain": run.domain,
        "uid": run.uid,
        "created_at": moment(run.created_at),
        "created_by": run.created_by,
        "started_at": moment(state.started_at),
        "finished_at": moment(state.finished_at),
        "cluster": run.cluster,
        "priority": run.priority,
        "max_parallelism": run.max_parallelism or None,
        "resumed_from": run.resumed_from or None,
        "parent_run": run.parent.run_name or None,
        "parent_node": run.parent.node_path or None,
        "url": run.url,
        "abort_reason": run.abort_reason,
        "reason": state.reason.code or None,
        "reason_detail": state.reason.detail or None,
        "failure": failure_facts(state.failure) if state.HasField("failure") else None,
    }


def failure_facts(failure: Failure) -> dict[str, Any]:
    """Why something failed."""
    facts: dict[str, Any] = {
        "kind": "system" if failure.kind == FAILURE_KIND_SYSTEM else "user",
        "code": failure.code,
        "message": failure.message,
        "remedy": failure.remedy or None,
        "node": failure.origin.node_path,
        "index": failure.origin.index if failure.origin.HasField("index") else None,
        "task": failure.origin.task,
    }
    if failure.HasField("exception"):
        facts["exception"] = {"type": failure.exception.type, "message": failure.exception.message}
        facts["traceback"] = failure.exception.traceback
    return facts


def node_facts(view: RunView, now: dt.datetime) -> list[dict[str, Any]]:
    """Every node of a run, in the order of the author's code."""
    facts = []
    for row in view.rows(now):
        state = view.node(row.path) or run_pb2.NodeState()
        shown = _state_facts(state, row.seconds, view.launches(row.path))
        facts.append({"path": row.path, "name": row.name, **shown})
    return facts


def node_page_facts(
    view: RunView, path: str, index: int | None, data: admin_pb2.GetRunDataResponse, now: dt.datetime
) -> dict[str, Any]:
    """One node, or an item of a map, with its attempts and values; what is stored apart stays a reference."""
    found = view.node(path) if index is None else view.item(path, index)
    state = found or run_pb2.NodeState()
    return {
        "run": view.run.name,
        "path": path,
        "index": index,
        "name": view.name(path),
        "kind": state.kind or None,
        "target": state.target or None,
        **_state_facts(state, span(state, now), view.launches(path, index)),
        "attempts": [_attempt_facts(one, now) for one in view.attempts(path, index)],
        **value_facts(data),
    }


def value_facts(data: admin_pb2.GetRunDataResponse) -> dict[str, Any]:
    """Inputs and outputs of a run or node; null where they are not known, which the note explains."""
    return {
        "inputs": _plain(data.inputs, data.interface.inputs) if data.HasField("inputs") else None,
        "outputs": _plain(data.outputs, data.interface.outputs) if data.HasField("outputs") else None,
        "note": data.note or None,
    }


def _state_facts(state: run_pb2.NodeState, seconds: float | None, launches: int) -> dict[str, Any]:
    return {
        "phase": node_phase_name(state.phase) if state.phase else "waiting",
        "seconds": seconds,
        "launches": launches,
        "cached_from": state.origin_run or None if state.origin == run_pb2.ORIGIN_CACHE else None,
        "reused_from": state.origin_run or None if state.origin == run_pb2.ORIGIN_REUSE else None,
        "child_run": state.child_run or None,
        "items": state.items or None,
        "items_succeeded": state.items_succeeded if state.items else None,
        "reason": state.reason.code or None,
        "reason_detail": state.reason.detail or None,
        "failure": failure_facts(state.failure) if state.HasField("failure") else None,
    }


def _attempt_facts(attempt: Attempt, now: dt.datetime) -> dict[str, Any]:
    state = attempt.state
    return {
        "index": attempt.item,
        "attempt": attempt.ordinal + 1,
        "phase": run_pb2.LaunchPhase.Name(state.phase).removeprefix("LAUNCH_PHASE_").lower(),
        "seconds": span(state, now),
        "pod": state.pod or None,
        "cluster_node": state.cluster_node or None,
        "created_at": moment(state.created_at),
        "started_at": moment(state.started_at),
        "finished_at": moment(state.finished_at),
        "exit_code": state.exit_code,
        "reason": state.reason.code or None,
        "reason_detail": state.reason.detail or None,
        "failure": failure_facts(state.failure) if state.HasField("failure") else None,
    }


def _plain(literals: LiteralMap, variables: Sequence[Variable]) -> dict[str, Any]:
    declared = [variable.name for variable in variables]
    names = [*declared, *sorted(set(literals.literals) - set(declared))]
    return {name: to_plain(literals.literals[name]) for name in names if name in literals.literals}
