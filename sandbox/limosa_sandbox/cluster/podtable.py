"""The row of a pod in a table: the one-word status that kubectl users know, counted containers and restarts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from limosa_sandbox.cluster.durations import age
from limosa_sandbox.cluster.kinds import Object

_TERMINAL = ("Succeeded", "Failed")


def pod_cells(pod: Object, now: datetime) -> list[Any]:
    """Return a pod's cells: name, ready, status, restarts, age, IP, node, nominated node, readiness gates."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    native_sidecars = [
        entry["name"] for entry in spec.get("initContainers") or [] if entry.get("restartPolicy") == "Always"
    ]
    statuses = status.get("containerStatuses") or []
    sidecar_statuses = [
        entry for entry in status.get("initContainerStatuses") or [] if entry["name"] in native_sidecars
    ]
    ready = sum(
        1 for entry in [*statuses, *sidecar_statuses] if entry.get("ready") and "running" in _state(entry)
    )
    total = len(spec.get("containers") or []) + len(native_sidecars)
    return [
        pod["metadata"]["name"], f"{ready}/{total}", pod_status(pod), _restarts([*statuses, *sidecar_statuses], now),
        age(pod["metadata"].get("creationTimestamp"), now), status.get("podIP") or "<none>", spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>", _gates(spec, status),
    ]  # fmt: skip


def pod_status(pod: Object) -> str:
    """Return one word for what a pod is doing, such as ``Running``, ``Completed``, ``OOMKilled``, ``Init:0/1`` or ``Terminating``."""
    status = pod.get("status") or {}
    phase = str(status.get("phase") or "Unknown")
    reason = str(status.get("reason") or phase)
    conditions = {entry.get("type"): entry for entry in status.get("conditions") or []}
    if conditions.get("PodScheduled", {}).get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    initial = _initializing(pod)
    if initial is not None and conditions.get("Initialized", {}).get("status") != "True":
        reason = initial
    else:
        reason = _container_reason(status, reason, conditions.get("Ready", {}).get("status") == "True")
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if phase not in _TERMINAL:
            return "Terminating"
    return reason


def _initializing(pod: Object) -> str | None:
    """Return the status while an init container holds the pod up, None when none does."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    containers = spec.get("initContainers") or []
    sidecars = {entry["name"] for entry in containers if entry.get("restartPolicy") == "Always"}
    for index, entry in enumerate(status.get("initContainerStatuses") or []):
        state = _state(entry)
        ended = state.get("terminated")
        if ended is not None and ended.get("exitCode") == 0:
            continue
        if entry["name"] in sidecars and entry.get("started"):
            continue
        if ended is not None:
            return "Init:" + _end(ended)
        waiting = (state.get("waiting") or {}).get("reason")
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}"
        return f"Init:{index}/{len(containers)}"
    return None


def _container_reason(status: dict[str, Any], reason: str, pod_ready: bool) -> str:
    running = False
    for entry in reversed(status.get("containerStatuses") or []):
        state = _state(entry)
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            reason = _end(state["terminated"])
        elif entry.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        return "Running" if pod_ready else "NotReady"
    return reason


def _state(entry: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = entry.get("state") or {}
    return state


def _end(terminated: dict[str, Any]) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _restarts(statuses: list[dict[str, Any]], now: datetime) -> str:
    count = sum(int(entry.get("restartCount") or 0) for entry in statuses)
    ends = [
        ended["finishedAt"]
        for entry in statuses
        if (ended := (entry.get("lastState") or {}).get("terminated")) and ended.get("finishedAt")
    ]
    return f"{count} ({age(max(ends), now)} ago)" if count and ends else str(count)


def _gates(spec: dict[str, Any], status: dict[str, Any]) -> str:
    gates = [gate["conditionType"] for gate in spec.get("readinessGates") or []]
    if not gates:
        return "<none>"
    met = {entry.get("type") for entry in status.get("conditions") or [] if entry.get("status") == "True"}
    return f"{sum(1 for gate in gates if gate in met)}/{len(gates)}"
