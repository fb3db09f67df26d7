"""What an author's code names: what a dynamic or eager task may launch or call is seen in no graph before it runs."""

import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from limosa.launch_plans import LaunchPlan
from limosa.origin import origin_of, source_root
from limosa.tasks import Task
from limosa.workflows import Workflow


def named_plans(task: Task[..., Any]) -> list[LaunchPlan[Any]]:
    """Launch plans that the task's function names, or that functions, tasks and workflows of its project do which it names.

    A plan is found in a global variable, in an attribute of a module, or in a list or dict there.
    """
    return [value for value in _named(task) if isinstance(value, LaunchPlan)]


def named_tasks(task: Task[..., Any]) -> list[Task[..., Any]]:
    """Tasks that are named likewise, itself among them; those of launch plans are not, which are registered by themselves."""
    return [value for value in _named(task) if isinstance(value, Task)]


def _named(task: Task[..., Any]) -> Iterator[Any]:
    root = source_root(origin_of(task.function).file)
    seen: set[int] = set()
    waiting: list[Any] = [task]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, LaunchPlan):
            yield value
        elif isinstance(value, Workflow):
            waiting += value.targets.values()
        elif isinstance(value, Task):
            yield value
            waiting.append(value.function)
        elif isinstance(value, Mapping):
            waiting += _entities(value.values())
        elif isinstance(value, (list, tuple)):
            waiting += _entities(value)
        elif isinstance(value, types.FunctionType) and source_root(value.__code__.co_filename) == root:
            waiting += _globals_of(value)


def _entities(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (LaunchPlan, Workflow, Task))]


def _globals_of(function: types.FunctionType) -> Iterator[Any]:
    """What the function's names stand for, among what can lead to a launch plan."""
    names = set(_names(function.__code__))
    found = [function.__globals__[name] for name in names if name in function.__globals__]
    for module in [value for value in found if isinstance(value, types.ModuleType)]:
        found += [vars(module)[name] for name in names if name in vars(module)]
    for value in found:
        if isinstance(value, (LaunchPlan, Workflow, Task, types.FunctionType, list, tuple, dict)):
            yield value


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
