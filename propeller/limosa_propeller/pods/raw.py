"""Pods of raw container tasks: fetch, then the author's image, then store and commit.

The three run one after the other because the first two are init containers: the kubelet itself sees to the order and to
the exit code in between. No container needs a token, a wrapper in the image, or sight of another's processes.
"""

from collections.abc import Mapping
from typing import Any

from limosa_engine.commands import CreatePod
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_model.placeholders import filled
from limosa_model.raw_containers import (
    AUTHOR,
    COLLECT,
    PREPARE,
    argument,
    input_directory,
    output_directory,
)

_INPUTS, _OUTPUTS = "inputs", "outputs"
INPUTS_VARIABLE, OUTPUTS_VARIABLE = "LIMOSA_INPUTS", "LIMOSA_OUTPUTS"
"""Variables of the author's container with the two directories."""
_HELPER_RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


def raw_pod(
    spec: dict[str, Any],
    ours: Mapping[str, dict[str, Any]],
    author: dict[str, Any],
    command: CreatePod,
    task: TaskSpec,
) -> dict[str, Any]:
    """The pod's spec with its three containers.

    Args:
        spec: Of the pod, without containers.
        ours: The containers that run our runtime, by step.
        author: The author's: resources, environment and mounts of the task.
        command: The launch.
        task: Its task.

    Raises:
        ArgumentError: An input cannot be an argument.
    """
    container = task.container
    places = {_INPUTS: input_directory(container), _OUTPUTS: output_directory(container)}
    shared = [{"name": name, "mountPath": path} for name, path in places.items()]
    before, after = (
        {**made, "resources": _HELPER_RESOURCES, "volumeMounts": [*made["volumeMounts"], *shared]}
        for made in (ours[PREPARE], ours[COLLECT])
    )
    theirs = {
        **author,
        "name": AUTHOR,
        "image": task.container_image,
        "volumeMounts": [*author["volumeMounts"], *shared],
        "env": [*author["env"], *({"name": n, "value": places[k]} for n, k in _VARIABLES)],
    }
    # An image that knows nothing of us may write anywhere in itself; it has no credentials of ours.
    theirs["securityContext"] = {**author["securityContext"], "readOnlyRootFilesystem": False}
    theirs.pop("envFrom", None)
    for field in ("command", "args"):
        words = [_word(word, command, places) for word in getattr(container, field)]
        theirs.pop(field, None)
        if words:
            theirs[field] = words
    if container.working_dir:
        theirs["workingDir"] = container.working_dir
    return {
        **spec,
        "volumes": [*spec["volumes"], *({"name": name, "emptyDir": {}} for name in places)],
        "initContainers": [{**before, "name": PREPARE}, theirs],
        "containers": [after],
    }


_VARIABLES = ((INPUTS_VARIABLE, _INPUTS), (OUTPUTS_VARIABLE, _OUTPUTS))


def _word(word: str, command: CreatePod, places: Mapping[str, str]) -> str:
    def value(side: str, name: str) -> str:
        if side == _OUTPUTS:
            return f"{places[_OUTPUTS]}/{name}"
        return argument(name, command.inputs.literals[name], places[_INPUTS])

    # Kubernetes expands $(NAME) in arguments; an author's words and inputs are meant literally.
    return filled(word, value).replace("$(", "$$(")
