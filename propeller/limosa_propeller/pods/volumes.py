"""Volumes that a task asks for beyond its home and its temporary directory: secrets as files, shared memory."""

from typing import Any

from limosa_idl.task.v1alpha1.task_pb2 import SecretRef, TaskSpec
from limosa_model.secret_names import path_variable_of

SHARED_MEMORY_DIR = "/dev/shm"
_SHARED_MEMORY = "shm"
_SECRET_MODE = 0o440
"""For the pod's own group alone."""


def volumes_of(task: TaskSpec) -> list[dict[str, Any]]:
    """The pod's volumes."""
    volumes: list[dict[str, Any]] = []
    for number, ref in enumerate(_files(task)):
        secret = {
            "secretName": ref.name,
            "defaultMode": _SECRET_MODE,
            "items": [{"key": ref.key, "path": ref.key}],
        }
        volumes.append({"name": f"secret-{number}", "secret": secret})
    if task.shared_memory:
        # What lies in it counts as memory of the container.
        in_memory = {"medium": "Memory", "sizeLimit": task.shared_memory}
        volumes.append({"name": _SHARED_MEMORY, "emptyDir": in_memory})
    return volumes


def mounts_of(task: TaskSpec) -> list[dict[str, Any]]:
    """Where they stand in the task's container."""
    mounts: list[dict[str, Any]] = [
        {"name": f"secret-{number}", "mountPath": ref.file, "subPath": ref.key, "readOnly": True}
        for number, ref in enumerate(_files(task))
    ]
    if task.shared_memory:
        mounts.append({"name": _SHARED_MEMORY, "mountPath": SHARED_MEMORY_DIR})
    return mounts


def secret_paths(task: TaskSpec) -> dict[str, str]:
    """Variables that say where the files are, such as HUB_TOKEN_FILE: paths differ where pods are processes."""
    return {path_variable_of(ref.key): ref.file for ref in _files(task)}


def _files(task: TaskSpec) -> list[SecretRef]:
    return [ref for ref in task.secrets if ref.file]
