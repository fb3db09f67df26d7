"""What a pod says about why it ended or waits: the tables.

"Where is it decided that an evicted pod is retried?" Here: `ENDED`.
"""

import dataclasses

from limosa_engine.graph import NodePlan
from limosa_engine.pods import PodView
from limosa_engine.settings import EngineSettings
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER, Failure, FailureKind
from limosa_model.failures import Code
from limosa_model.names import TASK_SECRET_LABEL
from limosa_model.pod_contract import EXIT_CONTRACT

_USER, _SYSTEM = FAILURE_KIND_USER, FAILURE_KIND_SYSTEM


@dataclasses.dataclass(frozen=True)
class Ended:
    """One way in which a pod ends without a commit or an error record."""

    kind: "FailureKind.ValueType"
    code: str
    retryable: bool
    message: str
    """For people; may name {place}, {timeout}, {memory}, {exit_code}, {detail}, {node}."""


@dataclasses.dataclass(frozen=True)
class Held:
    """One way in which a pod waits."""

    reason: str
    """Code of the Reason that people see."""
    code: str = ""
    """Code of the USER failure once the grace is over; empty: it may wait for ever."""
    grace: str = ""
    """Name of the setting with the grace in seconds, None there for ever; empty with a code: it fails at once."""
    remedy: str = ""


_EVICTED = Ended(_SYSTEM, Code.EVICTED, True, "{place}: the pod was evicted from {node}: {detail}")
_PREEMPTED = Ended(_SYSTEM, Code.PREEMPTED, True, "{place}: the pod was ended to make room: {detail}")
_NODE_LOST = Ended(_SYSTEM, Code.NODE_LOST, True, "{place}: the cluster lost {node}: {detail}")
_TIMEOUT = Ended(_USER, Code.TIMEOUT, True, "{place} ran longer than its timeout of {timeout}")

ENDED: dict[tuple[str, str], Ended] = {
    # status.reason
    ("reason", "DeadlineExceeded"): _TIMEOUT,
    ("reason", "Evicted"): _EVICTED,
    ("reason", "Preempting"): _PREEMPTED,
    ("reason", "NodeLost"): _NODE_LOST,
    ("reason", "NodeShutdown"): _NODE_LOST,
    ("reason", "Shutdown"): _NODE_LOST,
    ("reason", "Terminated"): _NODE_LOST,
    ("reason", "NodeAffinity"): _NODE_LOST,
    ("reason", "UnexpectedAdmissionError"): _NODE_LOST,
    ("reason", "OutOfcpu"): _EVICTED,
    ("reason", "OutOfmemory"): _EVICTED,
    ("reason", "OutOfpods"): _EVICTED,
    # reason of the DisruptionTarget condition
    ("disruption", "PreemptionByScheduler"): _PREEMPTED,
    ("disruption", "PreemptionByKubeScheduler"): _PREEMPTED,
    ("disruption", "EvictionByEvictionAPI"): _EVICTED,
    ("disruption", "DeletionByTaintManager"): _NODE_LOST,
    ("disruption", "DeletionByPodGC"): _NODE_LOST,
    ("disruption", "TerminationByKubelet"): _EVICTED,
    # the container's terminated reason
    ("terminated", "OOMKilled"): Ended(
        _USER,
        Code.OOM_KILLED,
        True,
        "{place} used more memory than its limit{memory} and was killed; raise the memory limit",
    ),
    ("terminated", "ContainerCannotRun"): Ended(
        _USER, Code.IMAGE_NOT_RUNNABLE, False, "{place}: the image cannot run: {detail}"
    ),
    ("terminated", "ImageNotRunnable"): Ended(_USER, Code.IMAGE_NOT_RUNNABLE, False, "{place}: {detail}"),
    ("terminated", "StartError"): Ended(
        _USER, Code.IMAGE_NOT_RUNNABLE, False, "{place}: the container cannot start: {detail}"
    ),
}
"""By (where it stands, what stands there); looked up in this order of places."""

NO_COMMIT = Ended(
    _SYSTEM, Code.NO_COMMIT, True, "{place}: the pod ended with exit code 0 and left no commit in the store"
)
EXITED = Ended(
    _SYSTEM,
    Code.POD_FAILED,
    True,
    "{place}: the pod failed with exit code {exit_code} and left no error record: {detail}",
)
NOT_CONFIGURED = Ended(_SYSTEM, Code.NOT_CONFIGURED, True, "{place}: the runtime could not begin: {detail}")
KILLED = Ended(
    _SYSTEM,
    Code.KILLED,
    True,
    "{place}: the task's process was killed (SIGKILL, exit code 137); it was not the memory limit: "
    "somebody or something on {node} killed it",
)
AUTHOR_EXITED = Ended(
    _USER,
    Code.EXITED,
    True,
    "{place}: the container ended with exit code {exit_code}; its last lines are in the log",
)
_SIGKILLED = 137
_SIGNALLED = (_SIGKILLED, 143)
"""Exit codes of a program that was killed or told to stop: by the node, unless a reason says otherwise."""
GONE = Ended(_SYSTEM, Code.POD_GONE, True, "{place}: the pod was deleted before it ended")

HELD: dict[str, Held] = {
    "ErrImagePull": Held(
        "ImagePull", Code.IMAGE_PULL, "image_pull_grace", "check the image's name and access"
    ),
    "ImagePullBackOff": Held(
        "ImagePull", Code.IMAGE_PULL, "image_pull_grace", "check the image's name and access"
    ),
    "ErrImageNeverPull": Held(
        "ImagePull", Code.IMAGE_PULL, "", "the image is not on the node; load it there"
    ),
    "RegistryUnavailable": Held(
        "ImagePull", Code.IMAGE_PULL, "image_pull_grace", "the registry does not answer"
    ),
    "InvalidImageName": Held("ImagePull", Code.IMAGE_INVALID, "", "correct the image's name"),
    "ImageInspectError": Held("ImagePull", Code.IMAGE_INVALID, "", "the image cannot be read"),
    "ImageNotRunnable": Held("ImageNotRunnable", Code.IMAGE_NOT_RUNNABLE),
    "CreateContainerConfigError": Held("ConfigError", Code.CONFIG_ERROR, "config_error_grace"),
    "SecretMissing": Held("SecretMissing", Code.SECRET_MISSING, "config_error_grace"),
    "CreateContainerError": Held("ConfigError", Code.CONFIG_ERROR, "config_error_grace"),
    "RunContainerError": Held("ConfigError", Code.CONFIG_ERROR, "config_error_grace"),
    "ContainerCreating": Held("Starting"),
    "PodInitializing": Held("Starting"),
}
"""By the container's waiting reason. What is not listed waits under its own name."""

UNSCHEDULABLE = Held(
    Code.UNSCHEDULABLE,
    Code.UNSCHEDULABLE,
    "pending_timeout",
    "no node took the pod within the pending timeout; ask for less, or have nodes that fit",
)

REFUSED: dict[str, str] = {
    Code.POD_TEMPLATE_MISSING: "config_error_grace",
    Code.SERVICE_ACCOUNT_MISSING: "refusal_grace",
    Code.NAMESPACE_TERMINATING: "refusal_grace",
}
"""Refusals of pods that are put up with for a while: name of the setting with the grace, by the refusal's code."""


def grace_of_refusal(code: str, settings: EngineSettings) -> float | None:
    """Seconds for which a refusal that may pass is put up with; None: for ever."""
    name = REFUSED.get(code)
    return None if name is None else float(getattr(settings, name))


def of_ended(view: PodView | None, place: str, plan: NodePlan, memory: str) -> Failure:
    """The failure of a pod that ended without a commit or an error record.

    Args:
        view: None for a pod that vanished.
        place: The node item, for people.
        plan: Its node.
        memory: What the launch could use at most; empty where nothing limited it.
    """
    if view is None:
        return _failure(GONE, PodView("", "Unknown"), place, plan)
    found = by_reason(view) or ENDED.get(("terminated", view.terminated_reason))
    if found is None and not view.ended and view.exit_code is None:
        found = GONE
    if found is None and view.author_exit_code not in (None, *_SIGNALLED):
        found = AUTHOR_EXITED
    unexplained = view.terminated_reason in ("", "Error") and not view.message
    if found is None and view.exit_code == _SIGKILLED and unexplained:
        found = KILLED
    if found is None and view.exit_code == EXIT_CONTRACT and view.author_exit_code is None:
        found = NOT_CONFIGURED
    if found is None:
        found = NO_COMMIT if view.exit_code == 0 or view.phase == "Succeeded" else EXITED
    return _failure(found, view, place, plan, memory)


def of_reason(view: PodView, place: str, plan: NodePlan) -> Failure | None:
    """The failure that the cluster itself gives as the pod's reason."""
    found = by_reason(view)
    return None if found is None else _failure(found, view, place, plan)


def timed_out(place: str, plan: NodePlan) -> Failure:
    """The failure of a launch whose timeout passed and whose pod nobody ended."""
    return _failure(_TIMEOUT, PodView("", "Running"), place, plan)


def leaving(view: PodView) -> str:
    """Why a pod that others delete goes, and what follows; for people."""
    found, node = by_reason(view), f"node {view.cluster_node}" if view.cluster_node else "its node"
    why = (
        f" because the cluster lost {node}"
        if found is _NODE_LOST
        else f" ({view.disruption})"
        if found
        else ""
    )
    return f"its pod is being deleted{why}; if it has not ended by then, it is given up and launched again"


def by_reason(view: PodView) -> Ended | None:
    """The row of `ENDED` for the pod's own reason, the container's left aside."""
    return ENDED.get(("reason", view.reason)) or ENDED.get(("disruption", view.disruption))


def of_held(view: PodView) -> tuple[Held, str] | None:
    """Why a pod does not run yet, with the cluster's words; None where it says nothing."""
    if view.waiting_reason:
        return HELD.get(view.waiting_reason, Held(view.waiting_reason)), view.waiting_message
    if view.unschedulable:
        return UNSCHEDULABLE, view.unschedulable
    return None


def held_failure(held: Held, detail: str, place: str, plan: NodePlan) -> Failure:
    """The failure of a pod that waited too long."""
    code, remedy = held.code, held.remedy
    if code == Code.CONFIG_ERROR and plan.runs.secrets:
        code = Code.SECRET_MISSING
        named = ", ".join(f"'{secret.name}' (key '{secret.key}')" for secret in plan.runs.secrets)
        remedy = f"the task needs Secret {named} in its namespace, labelled {TASK_SECRET_LABEL}=true"
    message = f"{place}: {detail or held.reason}" + (f"; {remedy}" if remedy else "")
    return Failure(kind=_USER, code=code, message=message, retryable=False)


def grace_of(held: Held, settings: EngineSettings) -> float | None:
    """Seconds for which a pod may wait so; None: for ever."""
    if not held.code:
        return None
    grace: float | None = getattr(settings, held.grace) if held.grace else 0.0
    return grace


def _failure(ended: Ended, view: PodView, place: str, plan: NodePlan, memory: str = "") -> Failure:
    message = ended.message.format(
        place=place,
        timeout="" if plan.timeout is None else f"{plan.timeout:g} s",
        memory=f" of {memory}" if memory else "",
        exit_code="?" if view.exit_code is None else view.exit_code,
        detail=view.message or view.waiting_message or view.terminated_reason or "no reason is given",
        node=f"node {view.cluster_node}" if view.cluster_node else "its node",
    )
    return Failure(kind=ended.kind, code=ended.code, message=message, retryable=ended.retryable)
