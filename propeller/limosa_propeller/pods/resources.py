"""What a task asks for, as a container's resources and as the nodes that its pod may run on."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from limosa_idl.task.v1alpha1.task_pb2 import ResourceList, TaskSpec
from limosa_model.quantity import parse_quantity
from limosa_propeller.settings import PodSettings

_FIELDS = (("cpu", "cpu"), ("memory", "memory"), ("ephemeral_storage", "ephemeral-storage"))


def container_resources(task: TaskSpec, settings: PodSettings, memory: str = "") -> dict[str, Any]:
    """Requests and limits; what the task leaves open is filled from the settings, never above a limit it set.

    Args:
        task: The task, overrides applied.
        settings: Of the operator.
        memory: Request and limit in place of the task's; empty: as the task says.
    """
    if task.WhichOneof("target") == "eager":
        # It mostly waits; and it must leave nodes room for what it waits for.
        cpu, default_memory = settings.eager_cpu, settings.eager_memory
        settings = dataclasses.replace(settings, default_cpu=cpu, default_memory=default_memory)
    requests = _quantities(task.resources.requests)
    limits = _quantities(task.resources.limits)
    if memory:
        requests["memory"] = limits["memory"] = memory
    _fill(requests, limits, "cpu", settings.default_cpu)
    if "memory" not in requests and "memory" not in limits:
        limits["memory"] = settings.default_memory
    _fill(requests, limits, "memory", settings.default_memory)
    gpu = max(task.resources.requests.gpu, task.resources.limits.gpu)
    if gpu:
        # Devices are never overcommitted: Kubernetes wants request and limit equal.
        requests[settings.gpu_resource] = limits[settings.gpu_resource] = str(gpu)
    return {"requests": requests, "limits": limits} if limits else {"requests": requests}


def node_patches(task: TaskSpec, settings: PodSettings, interruptible: bool) -> list[Mapping[str, Any]]:
    """What a launch's node has to be like, as patches over the pod's spec: the settings' shapes, else the defaults."""
    shapes, patches = settings.shapes, list[Mapping[str, Any]]()
    accelerator = task.resources.accelerator
    if accelerator:
        default = {"nodeSelector": {settings.accelerator_label: accelerator}}
        patches.append(shapes.accelerators.get(accelerator, default))
    if task.resources.requests.gpu or task.resources.limits.gpu:
        patches.append(_or(shapes.gpu, _tolerates(settings.gpu_resource)))
    if interruptible:
        patches.append(_or(shapes.interruptible, _tolerates(settings.interruptible_taint)))
    elif shapes.on_demand is not None:
        patches.append(shapes.on_demand)
    name = shapes.priority_class(task.priority)
    if name:
        patches.append({"priorityClassName": name})
    return patches


def _or(shape: Mapping[str, Any] | None, default: Mapping[str, Any]) -> Mapping[str, Any]:
    return default if shape is None else shape


def _tolerates(taint: str) -> dict[str, Any]:
    return {"tolerations": [{"key": taint, "operator": "Exists", "effect": "NoSchedule"}]}


def _quantities(given: ResourceList) -> dict[str, str]:
    return {theirs: getattr(given, ours) for ours, theirs in _FIELDS if getattr(given, ours)}


def _fill(requests: dict[str, str], limits: dict[str, str], name: str, default: str) -> None:
    if name in requests:
        return
    limit = limits.get(name)
    requests[name] = limit if limit and parse_quantity(limit) < parse_quantity(default) else default
