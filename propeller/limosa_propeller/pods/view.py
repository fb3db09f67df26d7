"""A pod's JSON, as the engine reads it, and whose launch it is."""

import dataclasses
import datetime
from typing import Any

from limosa_engine.graph import Item
from limosa_engine.pods import PodView
from limosa_model import names
from limosa_model.pod_contract import CONTAINER_NAME, decode_termination

_STARTING = ("PodInitializing", "ContainerCreating")


@dataclasses.dataclass(frozen=True)
class PodIdentity:
    """Which launch of which run a pod is."""

    owner_uid: str
    """uid of the WorkflowRun object that owns it."""
    item: Item
    launch: int
    launch_id: str
    epoch: str
    input_digest: str


def identity_of(pod: dict[str, Any]) -> PodIdentity | None:
    """Reads owner and annotations; None for a pod that carries our label and is not ours."""
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    owner = next((o["uid"] for o in metadata.get("ownerReferences") or () if o.get("kind") == names.KIND), "")
    try:
        index = annotations.get(names.ANNOTATION_INDEX)
        return PodIdentity(
            owner_uid=owner,
            item=Item(annotations[names.ANNOTATION_NODE_PATH], None if index is None else int(index)),
            launch=int(annotations[names.ANNOTATION_LAUNCH]),
            launch_id=annotations[names.ANNOTATION_LAUNCH_ID],
            epoch=annotations[names.ANNOTATION_EPOCH],
            input_digest=annotations.get(names.ANNOTATION_INPUT_DIGEST, ""),
        )
    except (KeyError, ValueError):
        return None


def view_of(pod: dict[str, Any]) -> PodView:
    """The facts of a pod that decisions rest on."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    task = _task_status(status)
    terminated = task.get("terminated") or {}
    started = terminated.get("startedAt") or (task.get("running") or {}).get("startedAt")
    waiting = _waiting(status)
    unschedulable, disruption = _conditions(status)
    return PodView(
        uid=metadata["uid"],
        phase=status.get("phase") or "Pending",
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        disruption=disruption,
        waiting_reason=waiting.get("reason") or "",
        waiting_message=waiting.get("message") or "",
        exit_code=terminated.get("exitCode", -1) if terminated else None,
        terminated_reason=terminated.get("reason") or "",
        record=decode_termination(terminated["message"]) if terminated.get("message") else None,
        started_at=_unix(started),
        finished_at=_unix(terminated.get("finishedAt")),
        deleting=bool(metadata.get("deletionTimestamp")),
        cluster_node=(pod.get("spec") or {}).get("nodeName") or "",
        unschedulable=unschedulable,
    )


def _task_status(status: dict[str, Any]) -> dict[str, Any]:
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER_NAME:
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
