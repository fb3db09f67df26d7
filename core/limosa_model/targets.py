"""What a task is made of, and what a node runs."""

from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node


def python_part(task: TaskSpec) -> PythonTask | None:
    """The Python code of a task, whatever its result is; None where it has none."""
    kind = task.WhichOneof("target")
    if kind == "python":
        return task.python
    if kind == "dynamic":
        return task.dynamic
    if kind == "eager":
        return task.eager
    return None


def task_name(node: Node) -> str:
    """Name of the task that a node runs itself; empty for nodes that run none."""
    kind = node.WhichOneof("target")
    if kind == "task":
        return node.task.task
    if kind == "map":
        return node.map.task
    if kind == "dynamic":
        return node.dynamic.task
    if kind == "eager":
        return node.eager.task
    return ""
