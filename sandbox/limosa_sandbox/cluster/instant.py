"""A node stand-in for measurements: every pod runs and succeeds at once, nothing is executed.

A pod's end can be chosen by annotations: :data:`MESSAGE` becomes the termination message, :data:`EXIT_CODE` the exit
code. :data:`OUTPUTS` (a serialised LiteralMap in base64) becomes the termination message of a launch that committed it.
With :data:`STAYS` (any value) it runs on until it is deleted, with :data:`LASTS` for so many seconds.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import TerminationRecord
from limosa_model.names import ANNOTATION_LAUNCH_ID
from limosa_model.pod_contract import encode_termination
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Object
from limosa_sandbox.cluster.metadata import timestamp
from limosa_sandbox.cluster.storage import Storage, utc_now

MESSAGE = "limosa.dev/sandbox-termination-message"
OUTPUTS = "limosa.dev/sandbox-outputs"
EXIT_CODE = "limosa.dev/sandbox-exit-code"
STAYS = "limosa.dev/sandbox-stays"
LASTS = "limosa.dev/sandbox-lasts"
NODE = "instant"


async def run_instant_pods(storage: Storage) -> None:
    """Schedule, start and end every pod as it appears, and finish graceful deletions, until cancelled."""
    _register(storage)
    watch = storage.watch("pods")
    try:
        async for type_, pod in watch:
            if type_ == "DELETED":
                continue
            _unless_gone(_advance, storage, pod)
    finally:
        watch.close()


def _unless_gone(act: Callable[..., None], *given: object) -> None:
    """Acts on a pod; of one that was deleted between the change and now nothing is left to run."""
    try:
        act(*given)
    except ApiError as error:
        if error.code not in (404, 409):
            raise


def _register(storage: Storage) -> None:
    moment = timestamp(utc_now())
    amounts = {"cpu": "100000", "memory": "100Ti", "pods": "1000000"}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Instant",
        "lastTransitionTime": moment,
        "lastHeartbeatTime": moment,
    }
    node = {
        "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}},
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [ready]},
    }
    try:
        storage.create("nodes", None, node)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


def _advance(storage: Storage, pod: Object) -> None:
    meta = pod["metadata"]
    namespace, name = meta["namespace"], meta["name"]
    if meta.get("deletionTimestamp"):
        if meta.get("deletionGracePeriodSeconds"):
            storage.delete("pods", namespace, name, grace_seconds=0, uid=meta["uid"])
    elif not pod["spec"].get("nodeName"):
        storage.bind(namespace, name, NODE)
        annotations = meta.get("annotations") or {}
        moment = timestamp(utc_now())
        _show(storage, pod, "Running", moment)
        if LASTS in annotations:
            loop = asyncio.get_running_loop()
            loop.call_later(float(annotations[LASTS]), _unless_gone, _show, storage, pod, "ended", moment)
        elif STAYS not in annotations:
            _show(storage, pod, "ended", moment)


def _show(storage: Storage, pod: Object, phase: str, moment: str) -> None:
    meta = pod["metadata"]
    shown = {"status": _status(pod, phase, moment)}
    storage.patch("pods", meta["namespace"], meta["name"], shown, subresource="status")


def _status(pod: Object, phase: str, moment: str) -> dict[str, Any]:
    annotations = pod["metadata"].get("annotations") or {}
    code = int(annotations.get(EXIT_CODE, "0"))
    ended = phase == "ended"
    state: dict[str, Any] = {"running": {"startedAt": moment}}
    if ended:
        terminated = {
            "exitCode": code, "reason": "Error" if code else "Completed", "startedAt": moment, "finishedAt": moment,
        }  # fmt: skip
        if MESSAGE in annotations:
            terminated["message"] = annotations[MESSAGE]
        elif OUTPUTS in annotations:
            terminated["message"] = _committed(annotations)
        state = {"terminated": terminated, "running": None}
    containers = [
        {
            "name": container["name"], "image": container["image"], "imageID": "", "ready": not ended, "restartCount": 0,
            "started": not ended, "state": {key: value for key, value in state.items() if value is not None},
            "lastState": {},
        }
        for container in pod["spec"]["containers"]
    ]  # fmt: skip
    shown = ("Failed" if code else "Succeeded") if ended else "Running"
    return {"phase": shown, "startTime": moment, "containerStatuses": containers}


def _committed(annotations: dict[str, str]) -> str:
    record = TerminationRecord(
        launch_id=annotations.get(ANNOTATION_LAUNCH_ID, ""),
        outcome=TerminationRecord.OUTCOME_COMMITTED,
        outputs=LiteralMap.FromString(base64.b64decode(annotations[OUTPUTS])),
    )
    return encode_termination(record)
