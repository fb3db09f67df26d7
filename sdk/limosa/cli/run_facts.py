"""A run as plain data, for scripts and tables."""

import datetime as dt
from typing import Any

from limosa.cli.tables import moment
from limosa.render.run_view import RunView
from limosa_idl.admin.v1alpha1 import admin_pb2
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, Failure
from limosa_idl.run.v1alpha1 import run_pb2


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
        facts.append(
            {
                "path": row.path,
                "name": row.name,
                "phase": node_phase_name(row.phase) if row.phase else "waiting",
                "seconds": row.seconds,
                "launches": state.launches,
                "cached_from": state.origin_run or None if state.origin == run_pb2.ORIGIN_CACHE else None,
                "items": state.items or None,
                "items_succeeded": state.items_succeeded if state.items else None,
                "reason": state.reason.code or None,
                "reason_detail": state.reason.detail or None,
                "failure": failure_facts(state.failure) if state.HasField("failure") else None,
            }
        )
    return facts
