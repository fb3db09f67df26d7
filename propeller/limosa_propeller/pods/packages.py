"""Where unpacked packages are kept between pods: a volume that the cluster's owner names, or nowhere."""

import json
from collections.abc import Mapping
from typing import Any

from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_model.targets import python_part

PACKAGES_DIR = "/var/limosa/packages"
_VOLUME = "limosa-packages"


def parse_packages_volume(text: str) -> Mapping[str, Any] | None:
    """A volume as pods name it, such as {"persistentVolumeClaim": {"claimName": "packages"}}; None for empty text.

    Raises ValueError.
    """
    if not text.strip():
        return None
    expected = """write JSON such as {"persistentVolumeClaim": {"claimName": "packages"}}"""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error}); {expected}") from None
    if not isinstance(given, dict) or len(given) != 1 or not all(isinstance(v, dict) for v in given.values()):
        raise ValueError(f"it is no volume of one kind; {expected}")
    return given


def with_packages_volume(
    spec: dict[str, Any], task: TaskSpec, volume: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A pod's spec with the volume, where the task has packages and the cluster a volume for them."""
    if not packages_directory(task, volume):
        return spec
    # Without it the kubelet would go through every file of every package at each start.
    context = {**spec["securityContext"], "fsGroupChangePolicy": "OnRootMismatch"}
    volumes = [*spec["volumes"], {"name": _VOLUME, **(volume or {})}]
    return {**spec, "securityContext": context, "volumes": volumes}


def packages_mounts(task: TaskSpec, volume: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Where it stands in the task's container."""
    directory = packages_directory(task, volume)
    return [{"name": _VOLUME, "mountPath": directory}] if directory else []


def packages_directory(task: TaskSpec, volume: Mapping[str, Any] | None) -> str:
    """Its path in the task's container; empty where each pod unpacks for itself."""
    code = python_part(task)
    return PACKAGES_DIR if volume is not None and code is not None and code.packages else ""
