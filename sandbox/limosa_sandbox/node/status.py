"""A pod's status, as a kubelet reports it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from limosa_sandbox.cluster.metadata import timestamp
from limosa_sandbox.node.containers import Exit

INIT = "init"
SIDECAR = "sidecar"
MAIN = "main"


@dataclass
class ContainerState:
    """What is known of one container.

    Attributes:
        name: Its name.
        image: Its image.
        role: ``init``, ``sidecar`` or ``main``.
        uid: uid of its pod.
        waiting: ``(reason, message)`` while it does not run.
        running_since: Unix time, None while it does not run.
        exit: How it ended, unless it is to be started again.
        last_exit: How the instance before ended.
        restarts: How often it was started again.
    """

    name: str
    image: str
    role: str
    uid: str
    waiting: tuple[str, str] = ("ContainerCreating", "")
    running_since: float | None = None
    exit: Exit | None = None
    last_exit: Exit | None = None
    restarts: int = 0

    @property
    def ready(self) -> bool:
        """Whether it counts as ready: it runs, or as an init container it is done."""
        if self.role == INIT:
            return self.exit is not None and self.exit.code == 0
        return self.running_since is not None and self.exit is None

    def report(self) -> dict[str, Any]:
        """Return its ``containerStatuses`` entry."""
        identity = f"sandbox://{self.uid}/{self.name}/{self.restarts}"
        began = self.exit is not None or self.running_since is not None
        state: dict[str, Any]
        if self.exit is not None:
            state = {"terminated": _terminated(self.exit, identity)}
        elif self.running_since is not None:
            state = {"running": {"startedAt": moment(self.running_since)}}
        else:
            reason, message = self.waiting
            state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        last = {"terminated": _terminated(self.last_exit, identity)} if self.last_exit else {}
        return {
            "name": self.name, "image": self.image, "imageID": "", "ready": self.ready, "started": bool(began and not self.exit),
            "restartCount": self.restarts, "state": state, "lastState": last, **({"containerID": identity} if began else {}),
        }  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What is said about the pod as a whole, beyond what its containers tell.

    Attributes:
        phase: Its phase.
        reason: ``Evicted``, ``DeadlineExceeded`` … or empty.
        message: The same for people.
        disruption: Reason of its ``DisruptionTarget`` condition, empty for none.
    """

    phase: str
    reason: str = ""
    message: str = ""
    disruption: str = ""


def phase_of(states: Sequence[ContainerState], never_restarts: bool) -> str:
    """Return the phase that the containers' states make."""
    for state in states:
        if state.role == INIT and (state.exit is None or state.exit.code != 0):
            failed = state.exit is not None and never_restarts
            return "Failed" if failed else "Pending"
    main = [state for state in states if state.role == MAIN]
    if all(state.exit is not None for state in main):
        return "Failed" if any(state.exit and state.exit.code for state in main) else "Succeeded"
    if any(state.running_since is not None or state.exit or state.last_exit for state in main):
        return "Running"
    return "Pending"


def pod_status(
    current: Mapping[str, Any], states: Sequence[ContainerState], verdict: Verdict, started: float, now: datetime
) -> dict[str, Any]:  # fmt: skip
    """Return the whole status; what is not the kubelet's is kept from the current one.

    Args:
        current: The status as it stands.
        states: All containers, in the order of the specification.
        verdict: Phase and reason of the pod.
        started: Unix time at which the node took the pod.
        now: The present, for conditions that change.
    """
    ended = verdict.phase in ("Succeeded", "Failed")
    initialized = all(state.ready for state in states if state.role == INIT)
    ready = not ended and all(state.ready for state in states if state.role == MAIN)
    why = "PodCompleted" if verdict.phase == "Succeeded" else "PodFailed" if ended else "ContainersNotReady"
    facts = {
        "PodReadyToStartContainers": (not ended, ""), "Initialized": (initialized, "" if initialized else "ContainersNotInitialized"),
        "Ready": (ready, "" if ready else why), "ContainersReady": (ready, "" if ready else why),
    }  # fmt: skip
    if verdict.disruption:
        facts["DisruptionTarget"] = (True, verdict.disruption)
    status = {
        **current, "phase": verdict.phase, "conditions": _conditions(current.get("conditions") or [], facts, now),
        "hostIP": "127.0.0.1", "hostIPs": [{"ip": "127.0.0.1"}], "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}],
        "startTime": current.get("startTime") or moment(started),
        "containerStatuses": [state.report() for state in states if state.role == MAIN],
    }  # fmt: skip
    before = [state.report() for state in states if state.role != MAIN]
    if before:
        status["initContainerStatuses"] = before
    for name in ("reason", "message"):
        if getattr(verdict, name):
            status[name] = getattr(verdict, name)
        else:
            status.pop(name, None)
    return status


def moment(seconds: float) -> str:
    """Return a Unix time as Kubernetes writes it."""
    return timestamp(datetime.fromtimestamp(seconds, timezone.utc))


def _terminated(exit_: Exit, identity: str) -> dict[str, Any]:
    return {
        "exitCode": exit_.code, "reason": exit_.reason, "startedAt": moment(exit_.started), "finishedAt": moment(exit_.finished),
        "containerID": identity, **({"message": exit_.message} if exit_.message else {}),
    }  # fmt: skip


def _conditions(
    current: Sequence[Mapping[str, Any]], facts: Mapping[str, tuple[bool, str]], now: datetime
) -> list[dict[str, Any]]:
    result = [dict(entry) for entry in current if entry["type"] not in facts]
    before = {entry["type"]: entry for entry in current}
    for type_, (holds, reason) in facts.items():
        value = "True" if holds else "False"
        old = before.get(type_)
        since = old["lastTransitionTime"] if old and old["status"] == value else timestamp(now)
        entry = {"type": type_, "status": value, "lastProbeTime": None, "lastTransitionTime": since}
        result.append({**entry, "reason": reason} if reason else entry)
    return result
