"""What to do about each failure code."""

import re
from collections.abc import Sequence

from limosa_idl.core.v1alpha1.failure_pb2 import ExceptionDetails, Failure
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model.failures import Code
from limosa_model.names import DEFAULT_DOMAIN, DEFAULT_PROJECT
from limosa_model.types import describe

REMEDIES = {
    Code.GATE_TIMEOUT: "Go on in a new run, which asks again, or give the gate more time: approve(timeout=…), wait_for_input(timeout=…).",
    Code.REJECTED: "The answer stands for this run: put right what led to it, then go on in a new run, which asks again.",
    Code.OOM_KILLED: 'Give the task more memory: @task(resources=Resources(mem="2Gi")), or more each time: retries=Retry(3, memory=Grow()). '
    "Large data takes less as a DataFrame, or in a File, than as a list.",
    Code.TIMEOUT: "Raise the task's timeout, or make the work smaller (map_task over parts of it).",
    Code.NODE_DEADLINE: "Raise the node's deadline, or lower its retries or timeout so that the attempts fit.",
    Code.IMAGE_PULL: "Check the image's name and tag, and that the cluster may pull it.",
    Code.IMAGE_INVALID: "Write container_image as registry/name:tag.",
    Code.SECRET_MISSING: "Store it with `limosa secrets set NAME KEY`, or correct its name.",
    Code.CONFIG_ERROR: "Create what the message names in the run's namespace, or correct its name.",
    Code.UNSCHEDULABLE: "Ask for less (resources=…), or add capacity.",
    Code.QUOTA: "Ask for less, wait for other runs, or have the namespace's quota raised.",
    Code.POD_INVALID: "Correct the resources, labels or pod_template the message names.",
    Code.POD_POLICY: "Correct what the message names (resources or pod_template), or have the platform's policy changed.",
    Code.POD_FORBIDDEN: "Give the operator's service account the permission that the message names.",
    Code.SERVICE_ACCOUNT_MISSING: "Create the service account that the message names in the run's namespace.",
    Code.NAMESPACE_TERMINATING: "The run's namespace is being deleted: make it again, then run the workflow again.",
    Code.NO_COMMIT: "The process ended without a result: look for os._exit(), a crash in native code, or a killed child.",
    Code.BAD_INPUT: "Pass a value of the annotated type, or register the task again if its signature changed.",
    Code.RUN_DELETED: "Have it made again: limosa resume RUN --from NODE, the node that gives it, or limosa run --remote --no-cache.",
    Code.CORRUPT_DATA: "The object store changed what was written: look after it (limosa doctor), then run the workflow again.",
    Code.STORE: "Check the object store: limosa doctor.",
    Code.EXITED: "The process ended by itself: look at its log.",
    Code.NOT_CONFIGURED: "Put right what the message names in the run's namespace, then go on with limosa resume RUN.",
    Code.KILLED: "Where it comes back, look at the node's events and kernel log; the platform tries again while its retries last.",
    Code.PREEMPTED: "Nothing of yours: the platform will try again while its retries last.",
    "ObjectHeld": "Whoever set the finalizer has to end its work, or remove it from the WorkflowRun (kubectl edit wfr); then the run goes on.",
    "WaitingForCluster": "Work begins when an operator asks for it: limosa doctor, or on this machine limosa demo status.",
    "WaitingForLimit": "It begins when one of those ends: wait, or end one with limosa abort RUN.",
    "WaitingForReservation": "Another run makes the same result, and this one takes it then; to make it here: --no-cache.",
    "AdminUnreachable": "It goes on when admin answers: limosa doctor, or on this machine limosa demo status.",
    "ClusterSilent": "Look after that cluster's operator; on this machine: limosa demo status.",
    Code.SPEC_CHANGED: "Submit it again with `limosa run --remote`: the spec of a run does not change.",
}
"""By code of a failure, or of what a run waits for; a code whose message says what to do has no row."""

_DEMO_FLAGS = {"cpu": "--cpus N", "memory": "--memory SIZE", "nvidia.com/gpu": "--gpus N"}
"""What offers more of a resource on this machine's platform."""


def remedy_of(code: str, detail: str, secrets: Sequence[str] = ()) -> str:
    """What to do about a code; empty where nothing is known.

    Args:
        code: Of a failure, or of what is waited for.
        detail: What goes with it; names the resources there are too few of, as Kubernetes writes them.
        secrets: The commands that store those the task reads, where they are known.
    """
    # Whether it is of a secret that a pod's configuration lacks something, only the kubelet's words say.
    if secrets and (
        code == Code.SECRET_MISSING or (code == Code.CONFIG_ERROR and "secret" in detail.lower())
    ):
        commands = ", ".join(f"`{command}`" for command in secrets)
        return f"Store what is missing with {commands}, or correct its name."
    if code == Code.IMAGE_NOT_RUNNABLE:
        return _image_remedy(detail)
    if code == Code.EXITED and "\n" in detail:
        return ""  # the message ends with the log
    if code != Code.UNSCHEDULABLE:
        return REMEDIES.get(code, "")
    flags = " ".join(flag for name, flag in _DEMO_FLAGS.items() if f"Insufficient {name}" in detail)
    here = f" (here: limosa demo stop, then limosa demo start {flags})" if flags else ""
    return f"Ask for less (resources=…), or add capacity{here}."


def _image_remedy(detail: str) -> str:
    """What to do about an image: the sandbox's words tell whether it is of a function, which needs none of its own."""
    if "no container engine" not in detail:
        return "Check that the image has the program it is to run, and is made for the cluster's kind of processor."
    cluster = "on a cluster (limosa config use CONTEXT, then limosa run --remote)"
    if "in place of" in detail:
        return f"Leave out container_image, so that the task runs in the environment that submitted it, or run it {cluster}."
    return f"Run it {cluster}; in tests here, limosa.testing.patch stands in for the task."


def store_command(name: str, key: str, project: str, domain: str) -> str:
    """What a person types to store a key of a secret, whatever project and domain their commands go to."""
    chosen = [] if project == DEFAULT_PROJECT else ["-p", project]
    chosen += [] if domain == DEFAULT_DOMAIN else ["-d", domain]
    return " ".join(["limosa secrets set", name, key, *chosen])


def remedy_of_failure(failure: Failure, secrets: Sequence[str] = ()) -> str:
    """What to do about a failure: what was found where it happened, else what helps with all of its kind; else empty.

    Args:
        failure: The failure.
        secrets: As in `remedy_of`.
    """
    if failure.remedy:
        return failure.remedy
    if failure.code == Code.USER_EXCEPTION:
        return _exception_remedy(failure.exception)
    return remedy_of(failure.code, failure.message, secrets)


def _exception_remedy(exception: ExceptionDetails) -> str:
    missing = re.match(r"No module named '([^'.]+)", exception.message)
    if exception.type != "ModuleNotFoundError" or missing is None:
        return ""
    return (
        f'If it is a package: pip install {missing[1]} for runs on this machine, @task(packages=["{missing[1]}"]) for pods. '
        "If it is a module of your project, import it at the top of the file, add it to `include` in limosa.toml or in "
        "[tool.limosa] of pyproject.toml, or run with --copy all."
    )


def gate_remedy(run: str, path: str, node: Node) -> str:
    """What a person types so that a gate lets a run pass; empty for other nodes, and for a sleep."""
    if node.gate.HasField("approval"):
        return f"limosa approve {run} {path}    (or with --reject)"
    if node.gate.HasField("wait_for_input"):
        return f"limosa signal {run} {path} <{describe(node.gate.wait_for_input.type)}>"
    return ""
