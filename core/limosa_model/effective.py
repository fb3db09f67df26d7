"""What a node really asks for: its task, with the node's overrides applied."""

from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import NodeOverrides


def effective_task(task: TaskSpec, overrides: NodeOverrides | None) -> TaskSpec:
    """The task as one node runs it. Without overrides it is the task itself; callers do not change it."""
    if overrides is None or overrides == NodeOverrides():
        return task
    merged = TaskSpec()
    merged.CopyFrom(task)
    _merge_resources(merged, overrides)
    for name in ("retry", "timeout", "deadline", "cache"):
        if overrides.HasField(name):
            getattr(merged, name).CopyFrom(getattr(overrides, name))
    if overrides.HasField("interruptible"):
        merged.interruptible = overrides.interruptible
    if overrides.HasField("priority"):
        merged.priority = overrides.priority
    if overrides.shared_memory:
        merged.shared_memory = overrides.shared_memory
    if overrides.container_image:
        merged.container_image = overrides.container_image
    for name in ("environment", "labels", "annotations"):
        getattr(merged, name).update(getattr(overrides, name))
    return merged


def _merge_resources(merged: TaskSpec, overrides: NodeOverrides) -> None:
    if not overrides.HasField("resources"):
        return
    for side in ("requests", "limits"):
        target = getattr(merged.resources, side)
        target.MergeFrom(getattr(overrides.resources, side))
    if overrides.resources.accelerator:
        merged.resources.accelerator = overrides.resources.accelerator
