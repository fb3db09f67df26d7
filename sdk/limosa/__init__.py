"""Limosa: write Python functions, get a workflow of pods.

Belongs here: what an author imports: decorators, values that travel, resources.
Does not belong here: anything a platform process needs, and anything that loads
before it is used: names are looked up when they are first asked for, so that
importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING

from limosa.version import VERSION as __version__  # noqa: N811 - the customary name

if TYPE_CHECKING:
    from limosa.cache import Cache
    from limosa.call_failed import CallFailed
    from limosa.checks import check
    from limosa.conditionals import conditional
    from limosa.container_tasks import ContainerTask
    from limosa.context import current_context
    from limosa.dynamic_tasks import Dynamic, dynamic
    from limosa.eager_tasks import Eager, eager
    from limosa.errors import LimosaError
    from limosa.gates import approve, sleep, wait_for_input
    from limosa.hash_methods import HashMethod
    from limosa.launch_plans import LaunchPlan
    from limosa.map_tasks import map_task
    from limosa.on_failure import WorkflowError
    from limosa.packages.declaration import Packages
    from limosa.promises import chain
    from limosa.resources import Resources
    from limosa.retries import Grow, Retry
    from limosa.secret import Secret
    from limosa.shell_tasks import ShellTask
    from limosa.signature import Sensitive
    from limosa.tasks import Task, task
    from limosa.types.directory import Directory
    from limosa.types.file import File
    from limosa.types.pickled import Pickle
    from limosa.workflows import FailurePolicy, Workflow, workflow

_WHERE = {
    "Cache": "limosa.cache",
    "CallFailed": "limosa.call_failed",
    "ContainerTask": "limosa.container_tasks",
    "Directory": "limosa.types.directory",
    "Dynamic": "limosa.dynamic_tasks",
    "Eager": "limosa.eager_tasks",
    "FailurePolicy": "limosa.workflows",
    "File": "limosa.types.file",
    "Grow": "limosa.retries",
    "HashMethod": "limosa.hash_methods",
    "LaunchPlan": "limosa.launch_plans",
    "LimosaError": "limosa.errors",
    "Packages": "limosa.packages.declaration",
    "Pickle": "limosa.types.pickled",
    "Resources": "limosa.resources",
    "Retry": "limosa.retries",
    "Secret": "limosa.secret",
    "Sensitive": "limosa.signature",
    "ShellTask": "limosa.shell_tasks",
    "Task": "limosa.tasks",
    "Workflow": "limosa.workflows",
    "WorkflowError": "limosa.on_failure",
    "approve": "limosa.gates",
    "chain": "limosa.promises",
    "current_context": "limosa.context",
    "check": "limosa.checks",
    "conditional": "limosa.conditionals",
    "dynamic": "limosa.dynamic_tasks",
    "eager": "limosa.eager_tasks",
    "map_task": "limosa.map_tasks",
    "sleep": "limosa.gates",
    "task": "limosa.tasks",
    "wait_for_input": "limosa.gates",
    "workflow": "limosa.workflows",
}

__all__ = [
    "Cache",
    "CallFailed",
    "ContainerTask",
    "Directory",
    "Dynamic",
    "Eager",
    "FailurePolicy",
    "File",
    "Grow",
    "HashMethod",
    "LaunchPlan",
    "LimosaError",
    "Packages",
    "Pickle",
    "Resources",
    "Retry",
    "Secret",
    "Sensitive",
    "ShellTask",
    "Task",
    "Workflow",
    "WorkflowError",
    "__version__",
    "approve",
    "chain",
    "check",
    "conditional",
    "current_context",
    "dynamic",
    "eager",
    "map_task",
    "sleep",
    "task",
    "wait_for_input",
    "workflow",
]


def __getattr__(name: str) -> object:
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module 'limosa' has no attribute '{name}'")
    from importlib import import_module

    found: object = getattr(import_module(where), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
