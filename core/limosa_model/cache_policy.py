"""Whether a task can be cached as it says."""

from collections.abc import Iterator

from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_model.interfaces import suggest
from limosa_model.problems import Problem


def cache_problems(task: TaskSpec, place: str) -> Iterator[Problem]:
    """What is wrong with a task's caching; nothing where it is off.

    Args:
        task: With a node's overrides applied, where there is one.
        place: Of the task or node, for messages.
    """
    if not task.cache.enabled:
        return
    kind = task.WhichOneof("target")
    if kind == "dynamic":
        problem = f"it is cached, but the result of {kind} code is a graph, not values"
        yield Problem("CacheTarget", place, problem, "cache the tasks that it runs")
    if kind == "eager":
        problem = "it is cached, but an eager task launches other nodes while it runs"
        yield Problem("CacheTarget", place, problem, "cache the tasks that it calls")
    if not task.cache.version:
        yield Problem("CacheVersion", place, "it is cached without a version", 'give one: cache="v1"')
    known = [variable.name for variable in task.interface.inputs]
    for name in task.cache.ignored_inputs:
        if name not in known:
            problem = f"its cache ignores input '{name}', which it does not have"
            yield Problem("CacheInput", place, problem, suggest(name, known))
