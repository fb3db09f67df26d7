"""What a local run does not hold its tasks to."""

from typing import Any

from limosa.launch_plans import LaunchPlan
from limosa.tasks import Task
from limosa.workflows import Workflow


def unenforced(entity: Any) -> str:
    """A sentence on limits of time and memory that tasks of a graph set; empty where none does."""
    waiting: list[Any] = [entity.workflow if isinstance(entity, LaunchPlan) else entity]
    seen: set[str] = set()
    limited: list[str] = []
    while waiting:
        one = waiting.pop()
        if one.name in seen:
            continue
        seen.add(one.name)
        if isinstance(one, Workflow):
            waiting += one.targets.values()
        elif isinstance(one, LaunchPlan):
            waiting.append(one.workflow)
        elif isinstance(one, Task) and _is_limited(one):
            limited.append(one.__name__)
    if not limited:
        return ""
    return f"timeouts and resources are not enforced in a local run: {', '.join(sorted(limited))}"


def _is_limited(task: Task[..., Any]) -> bool:
    options = task.options
    given = (options.timeout_s, options.deadline_s, options.resources, options.limits)
    return any(value is not None for value in given)
