"""What a WorkflowRun's status says."""

import base64
import datetime
from typing import Any, cast

import orjson

from limosa_engine import codec
from limosa_engine.graph import Graph
from limosa_engine.phases import RUN_TERMINAL, NodePhase, RunPhase
from limosa_engine.state import State
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER, Failure
from limosa_idl.run.v1alpha1.run_pb2 import RunState
from limosa_model.digests import serialize, sha256_hex
from limosa_model.pod_contract import INLINE_OUTPUTS_LIMIT

MESSAGE_LENGTH = 240
_UNDER_WAY = frozenset({NodePhase.QUEUED, NodePhase.RUNNING, NodePhase.RETRYING})
TERMINAL_PHASES = frozenset(phase.name for phase in RUN_TERMINAL)
"""`status.phase` of runs that are over."""


def running_status(graph: Graph, state: State, object_uid: str, digest: str) -> dict[str, Any]:
    """Status of a run that the engine works on, or has finished."""
    status: dict[str, Any] = {
        "phase": state.shown_phase.name,
        "nodes": nodes_told(state),
        "items": _items_told(state),
        "state": base64.b64encode(codec.encode(state)).decode(),
        "observedUid": object_uid,
        "observedSpec": digest,
        "startedAt": _iso(state.started_at),
        "finishedAt": _iso(state.finished_at),
    }
    status.update(_failure(state.failure) if state.failure is not None else _waiting(graph, state))
    if state.phase in (RunPhase.ABORTING, RunPhase.ABORTED):
        status.update(reason="Aborted", message=_one_line(state.abort_reason))
    if state.outputs is not None and state.phase is RunPhase.SUCCEEDED:
        data = serialize(state.outputs)
        status["outputs"] = base64.b64encode(data).decode() if len(data) <= INLINE_OUTPUTS_LIMIT else None
    return status


def nodes_told(state: State) -> str:
    """Nodes that succeeded, of those that are known and were not skipped ("3/5"), as `RunState` tells admin."""
    return f"{state.nodes_done}/{len(state.nodes) - state.nodes_skipped}"


def _items_told(state: State) -> str | None:
    """Items of maps that succeeded, of those that are known ("3214/10000"); None in a run without maps."""
    return f"{state.items_succeeded}/{state.items}" if state.items else None


def ended_status(
    before: dict[str, Any], phase: RunPhase, failure: Failure, object_uid: str, digest: str, now: float
) -> dict[str, Any]:
    """Status of a run that was refused or taken out of work; what stood there before stays for inspection."""
    return {
        **before,
        "phase": phase.name,
        "observedUid": object_uid,
        "observedSpec": before.get("observedSpec") or digest,
        "finishedAt": _iso(now),
        **_failure(failure),
    }


def told_end(status: dict[str, Any]) -> RunState:
    """The end of a run as its status tells it."""
    state = RunState(phase=cast("Any", int(RunPhase[status["phase"]])))
    failure = status.get("failure") or {}
    if failure:
        state.failure.kind = FAILURE_KIND_USER if failure.get("kind") == "USER" else FAILURE_KIND_SYSTEM
        state.failure.code, state.failure.message = failure.get("code", ""), failure.get("message", "")
    for field, name in ((state.started_at, "startedAt"), (state.finished_at, "finishedAt")):
        if status.get(name):
            field.FromJsonString(status[name])
    return state


def encode_status(status: dict[str, Any], now: float) -> bytes:
    """The status as JSON, with the time and its seal; what is None is left out."""
    known = {key: value for key, value in status.items() if value is not None}
    known["writtenAt"] = _iso(now)
    return orjson.dumps({**known, "seal": _seal(known)})


def written_at(status: dict[str, Any]) -> float:
    """When an operator wrote the status, by its clock; 0 where nobody can say."""
    told = status.get("writtenAt") if is_sealed(status) else None
    try:
        # Anyone who may patch the status can write here what is no time.
        return datetime.datetime.fromisoformat(str(told).replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def is_sealed(status: dict[str, Any]) -> bool:
    """Whether a status is as an operator wrote it; one that somebody edited decides nothing. An empty one is.

    The seal is no secret: it finds edits, not forgeries.
    """
    return not status or status.get("seal") == _seal(status)


def _seal(status: dict[str, Any]) -> str:
    told = {key: value for key, value in status.items() if key != "seal"}
    return sha256_hex(orjson.dumps(told, option=orjson.OPT_SORT_KEYS))[:16]


def _failure(failure: Failure) -> dict[str, Any]:
    place = failure.origin.node_path
    if failure.origin.HasField("index"):
        place += f"[{failure.origin.index}]"
    text = f"{place}: {failure.message}" if place else failure.message
    return {
        "reason": failure.code,
        "message": _one_line(text),
        "failure": {
            "kind": "USER" if failure.kind == FAILURE_KIND_USER else "SYSTEM",
            "code": failure.code,
            "message": failure.message[:4000],
            "node": place,
        },
    }


def _waiting(graph: Graph, state: State) -> dict[str, Any]:
    """What the first node that waits for something waits for; nodes that merely run say nothing."""
    for plan, record in zip(graph.nodes, state.nodes, strict=True):
        if record.phase not in _UNDER_WAY:
            continue
        for item in record.items:
            waiting = item.waiting if item.launch is None else item.launch.waiting
            if waiting is not None and waiting.detail:
                return {"reason": waiting.code, "message": _one_line(f"{plan.path}: {waiting.detail}")}
    return {}


def _one_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"


def _iso(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
