"""Closures: a workflow and everything it names, as the bytes that are registered."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from limosa.compiler.named_entities import named_plans, named_tasks
from limosa.compiler.task_spec import task_spec
from limosa.errors import LimosaError
from limosa.launch_plans import LaunchPlan
from limosa.packages.declaration import Declared, declared_packages
from limosa.tasks import Task
from limosa.workflows import Workflow
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, LaunchPlanSpec
from limosa_model.admission import validate_closure
from limosa_model.digests import serialize
from limosa_model.generated import validate_call, validate_generated
from limosa_model.graph import wrap_task
from limosa_model.problems import Problem
from limosa_model.state_size import size_problems

if TYPE_CHECKING:
    from limosa.dynamic_tasks import Generated
    from limosa_idl.core.v1alpha1.interface_pb2 import Interface


class CompileSettings(NamedTuple):
    """What specs need to know beyond the author's code.

    Attributes:
        bundle_digest: sha256 (hex) of the code bundle; empty where the image has the code.
        default_image: Image for tasks that name none; empty: the platform's.
        note: Takes lines a person should see ("cache version of … is …").
        python_version: Minor version that the code is compiled under.
        package_locks: Digests of locks by the keys of what tasks declare; None: nothing was resolved, because nothing will
            be registered.
    """

    bundle_digest: str = ""
    default_image: str = ""
    note: Callable[[str], None] = lambda _: None
    python_version: str = f"{sys.version_info.major}.{sys.version_info.minor}"
    package_locks: Mapping[str, str] | None = None


class Compiled(NamedTuple):
    """One entity, ready to be registered and run.

    Attributes:
        name: Of the entity.
        kind: "task", "workflow" or "launch_plan".
        closure: What runs; for a task, its workflow of one node.
        closure_bytes: `closure` as it is registered: same source, same bytes.
        launch_plans: The launch plan itself, where it is one.
        interface: What a caller gives and gets.
        targets: Tasks of the closure as Python objects, by name; for local runs.
        launched: Launch plans that its nodes, or the code of tasks that make nodes, name; they have to be registered with it.
    """

    name: str
    kind: str
    closure: Closure
    closure_bytes: bytes
    launch_plans: list[LaunchPlanSpec]
    interface: "Interface"
    targets: dict[str, Any]
    launched: list[LaunchPlan[Any]] = []  # noqa: RUF012 - never changed; a NamedTuple has no factories


def compile_entity(entity: Any, settings: CompileSettings | None = None) -> Compiled:
    """Compiles a task, workflow or launch plan with all it needs.

    Raises:
        LimosaError: What the author wrote cannot run; code, place and remedy say why.
    """
    settings = settings or CompileSettings()
    if isinstance(entity, LaunchPlan):
        inner = compile_entity(entity.workflow, settings)
        plans = [entity.spec]
        return Compiled(
            entity.name,
            "launch_plan",
            inner.closure,
            inner.closure_bytes,
            plans,
            entity.interface,
            inner.targets,
            inner.launched,
        )
    if isinstance(entity, Task):
        spec = task_spec(entity, settings)
        closure, kind, targets = wrap_task(spec), "task", {entity.name: entity}
    elif isinstance(entity, Workflow):
        targets = _collect(entity)
        closure, kind = _closure(entity.name, targets, settings), "workflow"
    else:
        message = f"{type(entity).__name__} cannot be compiled"
        raise LimosaError("CompileTarget", message, remedy="pass a task, workflow or launch plan")
    _refuse(list(validate_closure(closure) or size_problems(closure)))
    launched = _launched(targets.values())
    return Compiled(entity.name, kind, closure, serialize(closure), [], entity.interface, targets, launched)


def with_launched(entities: Iterable[Any], settings: CompileSettings) -> list[Any]:
    """Entities with all launch plans that they launch, and those launch. Raises LimosaError."""
    found: dict[int, Any] = {}
    plans: dict[str, LaunchPlan[Any]] = {}
    waiting = list(entities)
    while waiting:
        entity = waiting.pop(0)
        if id(entity) in found:
            continue
        found[id(entity)] = entity
        if isinstance(entity, LaunchPlan):
            plans.setdefault(entity.name, entity).refuse_namesake(entity)
        waiting += compile_entity(entity, settings).launched
    return list(found.values())


def packages_declared(entities: Iterable[Any]) -> list[Declared]:
    """What the tasks of entities declare, and those that code of dynamic and eager tasks names, as they stand in files."""
    waiting = list(entities)
    seen: set[int] = set()
    found: dict[str, Declared] = {}
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Workflow):
            waiting += one.targets.values()
        elif isinstance(one, LaunchPlan):
            waiting.append(one.workflow)
        elif isinstance(one, Task):
            waiting += named_tasks(one) if one.makes_graph or one.makes_calls else ()
            declared = declared_packages(one)
            if declared is not None:
                found[declared.task] = declared
    return sorted(found.values(), key=lambda declared: declared.origin)


def compile_generated(
    made: "Generated", task: Task[..., Any], settings: CompileSettings
) -> tuple[Closure, bytes]:
    """What a dynamic task's function described, with all it needs, and its bytes. Raises LimosaError."""
    targets = _collect(*(one for one in made.targets.values() if not isinstance(one, LaunchPlan)))
    closure = _closure(made.spec.name, targets, settings)
    closure.workflows.append(made.spec)
    closure.workflows.sort(key=lambda workflow: workflow.name)
    problems = validate_generated(closure, task_spec(task, settings))
    _refuse(problems)
    return closure, serialize(closure)


def compile_call(made: "Generated", task: Task[..., Any], call: str, settings: CompileSettings) -> Closure:
    """The graph of a call that an eager task makes, with all it needs. Raises LimosaError."""
    targets = _collect(*(one for one in made.targets.values() if not isinstance(one, LaunchPlan)))
    closure = _closure(made.spec.name, targets, settings)
    closure.workflows.append(made.spec)
    closure.workflows.sort(key=lambda workflow: workflow.name)
    _refuse(validate_call(closure, task_spec(task, settings), call))
    return closure


def _collect(*entities: Any) -> dict[str, Any]:
    """Everything that workflows and tasks reach, themselves included, by name."""
    found: dict[str, Any] = {}
    waiting: list[Any] = list(entities)
    while waiting:
        entity = waiting.pop()
        known = found.setdefault(entity.name, entity)
        if known is not entity:
            message = f"two different functions are called {entity.name}"
            raise LimosaError("DuplicateName", message, remedy="rename one of them")
        if isinstance(entity, Workflow):
            named = (one for one in entity.targets.values() if not isinstance(one, LaunchPlan))
            waiting.extend(target for target in named if found.get(target.name) is not target)
    return found


def _launched(entities: Iterable[Any]) -> list[LaunchPlan[Any]]:
    """Launch plans that the nodes of workflows or the code of dynamic and eager tasks name, each once, by name."""
    named: list[LaunchPlan[Any]] = []
    for entity in entities:
        if isinstance(entity, Workflow):
            named += [target for target in entity.targets.values() if isinstance(target, LaunchPlan)]
        elif entity.makes_graph or entity.makes_calls:
            named += named_plans(entity)
    return sorted({id(plan): plan for plan in named}.values(), key=lambda plan: plan.name)


def _closure(entry: str, targets: dict[str, Any], settings: CompileSettings) -> Closure:
    closure = Closure(entry=entry)
    for name in sorted(targets):
        entity = targets[name]
        if isinstance(entity, Task):
            closure.tasks.append(task_spec(entity, settings))
        else:
            closure.workflows.append(entity.spec)
    return closure


def _refuse(problems: list[Problem]) -> None:
    if problems:
        first = problems[0]
        more = list(_rest(problems[1:]))
        raise LimosaError(first.code, "\n".join([first.message, *more]), first.place, first.remedy)


def _rest(problems: list[Any]) -> Iterator[str]:
    for problem in problems[:9]:
        yield str(problem)
    if len(problems) > 9:
        yield f"… and {len(problems) - 9} more"
