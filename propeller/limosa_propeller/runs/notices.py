"""Kubernetes Events on a WorkflowRun: what `kubectl describe wfr` shows beside the status.

A few a run, never one a task. An Event that cannot be written is not worth a failure.
"""

import datetime as dt
import logging
from typing import Any

from limosa_engine.phases import RunPhase
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_model import names
from limosa_propeller.kube.errors import ApiError, NotLeaderError
from limosa_propeller.kube.verbs import EVENTS, Object, Verbs

logger = logging.getLogger(__name__)

MOST_CHARACTERS = 1000
"""The API server takes 1,024 in a message."""
COMPONENT = "limosa-propeller"
_WORDS = {
    RunPhase.RUNNING: "Started",
    RunPhase.PARKED: "Parked",
    RunPhase.FAILING: "Failing",
    RunPhase.ABORTING: "Aborting",
    RunPhase.SUCCEEDED: "Succeeded",
    RunPhase.FAILED: "Failed",
    RunPhase.ABORTED: "Aborted",
}
_WARNINGS = frozenset({RunPhase.FAILING, RunPhase.FAILED})


def notice_of(
    metadata: dict[str, Any], phase: RunPhase, message: str, failure: Failure | None, now: float
) -> Object | None:
    """The Event for a run's new phase; None for phases that are not worth one.

    Args:
        metadata: Of the WorkflowRun.
        phase: Its new phase.
        message: What else there is to say, such as "3/5 nodes".
        failure: Why it fails.
        now: Unix seconds.
    """
    reason = _WORDS.get(phase)
    if reason is None:
        return None
    text = message if failure is None else f"{failure.code}: {failure.message}"
    return _event(metadata, reason, text, phase in _WARNINGS, now)


def spec_ignored(metadata: dict[str, Any], local: bool, now: float) -> Object:
    """The Event for an object whose spec was changed after its run had ended; its end stays as it is."""
    again = "delete the WorkflowRun and apply it again" if local else "submit it with `limosa run --remote`"
    text = f"the run has ended and does not run again; to run this spec, {again}"
    return _event(metadata, "SpecIgnored", text, True, now)


def strange_pod(metadata: dict[str, Any], pod: str, now: float) -> Object:
    """The Event for a pod that carries the run's labels and owner and is none of its launches."""
    text = (
        f"pod {pod} carries this run's labels and is not one of its launches, so nothing is made of it; "
        f"to be rid of it: kubectl delete pod {pod} -n {metadata['namespace']}"
    )
    return _event(metadata, "StrangePod", text, True, now)


def time_not_believed(metadata: dict[str, Any], now: float) -> Object:
    """The Event for an object whose status says that it was written in the far future."""
    text = "status.writtenAt is in the far future: somebody else wrote it; the run goes on by the API server's time"
    return _event(metadata, "TimeNotBelieved", text, True, now)


def run_deleted(metadata: dict[str, Any], nodes: str, prefix: str, now: float) -> Object:
    """The Event for an object that was deleted under its run, which nobody else knows of.

    Args:
        metadata: Of the WorkflowRun that was there.
        nodes: How far the run was ("3/5").
        prefix: Where its results are, in the store.
        now: Unix seconds.
    """
    text = f"the run was deleted at {nodes} nodes, and its pods with it; what it has committed stays below {prefix}"
    return _event(metadata, "Deleted", text, True, now)


def _event(metadata: dict[str, Any], reason: str, text: str, warning: bool, now: float) -> Object:
    stamp = dt.datetime.fromtimestamp(now, dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        # One of a name for each reason of an object: said again after a restart, it is not a second Event.
        "metadata": {
            "name": f"{metadata['name'][:200]}.{metadata['uid'][:8]}.{reason.lower()}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "apiVersion": f"{names.GROUP}/{names.VERSION}",
            "kind": names.KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "reason": reason,
        "message": text[:MOST_CHARACTERS],
        "type": "Warning" if warning else "Normal",
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


async def post(verbs: Verbs, notice: Object) -> None:
    """Writes an Event; the same one again is as good."""
    try:
        await verbs.create(EVENTS, notice["metadata"]["namespace"], notice)
    except ApiError as error:
        if error.status != 409:
            logger.warning(
                "an event was not written", extra={"event": notice["metadata"]["name"], "error": str(error)}
            )
    except NotLeaderError:
        return
