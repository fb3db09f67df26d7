"""A pod's JSON, as the engine reads it, and whose launch it is."""

import datetime
from typing import Any, NamedTuple

from limosa_engine.graph import Item
from limosa_engine.pods import PodView
from limosa_model import names
from limosa_model.pod_contract import CONTAINER_NAME, EXIT_CONTRACT, decode_termination
from limosa_model.raw_containers import AUTHOR, PREPARE

_MOST_LAUNCHES = 1_000_000
"""Far more than any budget allows, and a number that every record holds."""
_MOST_CHARACTERS = 1000
_STARTING = ("PodInitializing", "ContainerCreating")


class PodIdentity(NamedTuple):
    """Which launch of which run a pod is."""

    owner_uid: str
    """uid of the WorkflowRun object that owns it."""
    item: Item
    launch: int
    launch_id: str
    epoch: str
    input_digest: str
    eager_depth: int = 0
    """Of an eager node: eager and dynamic nodes around it, itself included; 0 for all others."""


def identity_of(pod: dict[str, Any]) -> PodIdentity | None:
    """Reads owner and annotations; None for a pod that carries our label and is not ours."""
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    owner = next((o["uid"] for o in metadata.get("ownerReferences") or () if o.get("kind") == names.KIND), "")
    try:
        index = annotations.get(names.ANNOTATION_INDEX)
        launch = int(annotations[names.ANNOTATION_LAUNCH])
        if not 0 <= launch < _MOST_LAUNCHES or (index is not None and int(index) < 0):
            return None
        return PodIdentity(
            owner_uid=owner,
            item=Item(annotations[names.ANNOTATION_NODE_PATH], None if index is None else int(index)),
            launch=launch,
            launch_id=annotations[names.ANNOTATION_LAUNCH_ID],
            epoch=annotations[names.ANNOTATION_EPOCH],
            input_digest=annotations.get(names.ANNOTATION_INPUT_DIGEST, ""),
            eager_depth=int(annotations.get(names.ANNOTATION_EAGER_DEPTH, "0")),
        )
    except (KeyError, ValueError):
        return None


def view_of(pod: dict[str, Any]) -> PodView:
    """The facts of a pod that decisions rest on."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    task, author = _task_status(status), _init_status(status, AUTHOR)
    ended_badly = (author.get("terminated") or {}).get("exitCode", 0) != 0
    running = bool(author.get("running") or author.get("terminated")) and not ended_badly
    if ended_badly:
        task = author
    elif (_init_status(status, PREPARE).get("terminated") or {}).get("exitCode", 0):
        task = _init_status(status, PREPARE)
    terminated = task.get("terminated") or {}
    started = terminated.get("startedAt") or (task.get("running") or {}).get("startedAt")
    if running:
        # To Kubernetes the pod is still initialising; to its author it runs.
        started = (author.get("terminated") or author["running"]).get("startedAt")
    waiting = {} if running else _waiting(status)
    phase = status.get("phase") or "Pending"
    unschedulable, disruption = _conditions(status)
    return PodView(
        uid=metadata["uid"],
        phase="Running" if running and phase == "Pending" else phase,
        reason=status.get("reason") or "",
        message=status.get("message") or _why_not_begun(terminated),
        disruption=disruption,
        waiting_reason=waiting.get("reason") or "",
        waiting_message=waiting.get("message") or "",
        exit_code=terminated.get("exitCode", -1) if terminated else None,
        author_exit_code=terminated.get("exitCode") if ended_badly else None,
        terminated_reason=terminated.get("reason") or "",
        record=decode_termination(terminated["message"])
        if terminated.get("message") and not ended_badly
        else None,
        started_at=_unix(started),
        finished_at=_unix(terminated.get("finishedAt")),
        deleting=bool(metadata.get("deletionTimestamp")),
        deletion_grace=float(metadata.get("deletionGracePeriodSeconds") or 0),
        cluster_node=(pod.get("spec") or {}).get("nodeName") or "",
        unschedulable=unschedulable,
    )


def _why_not_begun(terminated: dict[str, Any]) -> str:
    """What the runtime says where it was not told enough to begin; empty in all other cases."""
    told: str = terminated.get("message") or ""
    return told[:_MOST_CHARACTERS] if terminated.get("exitCode") == EXIT_CONTRACT else ""


def _task_status(status: dict[str, Any]) -> dict[str, Any]:
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER_NAME:
            state: dict[str, Any] = container.get("state") or {}
            return state
    return {}


def _init_status(status: dict[str, Any], name: str) -> dict[str, Any]:
    """State of an init container of a raw container task; empty where there is none."""
    for container in status.get("initContainerStatuses") or ():
        if container.get("name") == name:
            state: dict[str, Any] = container.get("state") or {}
            return state
    return {}


def _waiting(status: dict[str, Any]) -> dict[str, Any]:
    """The reason worth telling: a container that cannot start, rather than one that is starting."""
    found: dict[str, Any] = {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting")
        if not waiting:
            continue
        if waiting.get("reason") not in _STARTING:
            result: dict[str, Any] = waiting
            return result
        found = found or waiting
    return found


def _conditions(status: dict[str, Any]) -> tuple[str, str]:
    unschedulable = disruption = ""
    for condition in status.get("conditions") or ():
        kind, value = condition.get("type"), condition.get("status")
        if kind == "PodScheduled" and value == "False" and condition.get("reason") == "Unschedulable":
            unschedulable = condition.get("message") or "no node fits"
        elif kind == "DisruptionTarget" and value == "True":
            disruption = condition.get("reason") or "Disruption"
    return unschedulable, disruption


def _unix(text: str | None) -> float | None:
    # Python 3.10 does not read the "Z".
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None
