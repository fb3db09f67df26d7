"""What a task asks for, as a container's resources."""

from typing import Any

from limosa_idl.task.v1alpha1.task_pb2 import ResourceList, TaskSpec
from limosa_model.quantity import parse_quantity
from limosa_propeller.settings import PodSettings

_FIELDS = (("cpu", "cpu"), ("memory", "memory"), ("ephemeral_storage", "ephemeral-storage"))


def container_resources(task: TaskSpec, settings: PodSettings) -> dict[str, Any]:
    """Requests and limits; what the task leaves open is filled from the settings, never above a limit it set."""
    requests = _quantities(task.resources.requests)
    limits = _quantities(task.resources.limits)
    _fill(requests, limits, "cpu", settings.default_cpu)
    if "memory" not in requests and "memory" not in limits:
        limits["memory"] = settings.default_memory
    _fill(requests, limits, "memory", settings.default_memory)
    gpu = max(task.resources.requests.gpu, task.resources.limits.gpu)
    if gpu:
        # Devices are never overcommitted: Kubernetes wants request and limit equal.
        requests[settings.gpu_resource] = limits[settings.gpu_resource] = str(gpu)
    return {"requests": requests, "limits": limits} if limits else {"requests": requests}


def node_constraints(task: TaskSpec, settings: PodSettings) -> dict[str, Any]:
    """Node selector and tolerations for accelerators and for nodes that can be taken away."""
    constraints: dict[str, Any] = {}
    tolerations = []
    if task.resources.accelerator:
        constraints["nodeSelector"] = {settings.accelerator_label: task.resources.accelerator}
    if task.resources.requests.gpu or task.resources.limits.gpu:
        tolerations.append({"key": settings.gpu_resource, "operator": "Exists", "effect": "NoSchedule"})
    if task.interruptible:
        tolerations.append(
            {"key": settings.interruptible_taint, "operator": "Exists", "effect": "NoSchedule"}
        )
    if tolerations:
        constraints["tolerations"] = tolerations
    return constraints


def _quantities(given: ResourceList) -> dict[str, str]:
    return {theirs: getattr(given, ours) for ours, theirs in _FIELDS if getattr(given, ours)}


def _fill(requests: dict[str, str], limits: dict[str, str], name: str, default: str) -> None:
    if name in requests:
        return
    limit = limits.get(name)
    requests[name] = limit if limit and parse_quantity(limit) < parse_quantity(default) else default
