"""Graphs that dynamic and eager tasks make in a run: what they must fulfil beyond what every registered graph does."""

from collections.abc import Iterator

from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node
from limosa_model.admission import validate_closure
from limosa_model.graph import Index, scope_nodes, with_cases
from limosa_model.problems import Problem
from limosa_model.targets import python_part, task_name
from limosa_model.types import assignable, describe

MAX_GRAPH_BYTES = 4 * 1024 * 1024
"""Largest serialised graph that a dynamic task may commit."""

MAX_DYNAMIC_DEPTH = 5
"""Most dynamic and eager nodes within each other."""


def too_large(size: int) -> str:
    """Why a graph of so many bytes is refused; empty where it is not."""
    if size <= MAX_GRAPH_BYTES:
        return ""
    return (
        f"the graph takes {size:,} bytes, at most {MAX_GRAPH_BYTES:,} are allowed; use map_task for repeated work, "
        "and pass large values as files or outputs of tasks"
    )


def validate_generated(closure: Closure, task: TaskSpec) -> list[Problem]:
    """Everything wrong with a graph that a dynamic task made; empty when it may run.

    Args:
        closure: The graph.
        task: The dynamic task.
    """
    problems = validate_closure(closure)
    if problems:
        return problems
    return [*_interface(closure, task), *_code(closure, task)]


def validate_call(closure: Closure, task: TaskSpec, call: str) -> list[Problem]:
    """Everything wrong with the graph of a call that an eager task made; empty when it may run.

    Args:
        closure: The graph.
        task: The eager task.
        call: Id of the call.
    """
    problems = validate_closure(closure)
    if problems:
        return problems
    entry = Index(closure).entry
    found = [node.id for node in scope_nodes(entry)]
    if found != [call] or entry.interface.inputs:
        message = (
            f"its nodes are {', '.join(found) or 'none'}, and it takes {len(entry.interface.inputs)} inputs"
        )
        remedy = f"a call is the one node '{call}' without inputs; compile it again with a current SDK"
        return [Problem("CallShape", f"call {call} of {task.name}", message, remedy)]
    return list(_code(closure, task))


def nodes_with_tasks(closure: Closure) -> Iterator[tuple[Node, TaskSpec]]:
    """Every node of a closure's workflows that runs a task, cases of branches included, with the task."""
    index = Index(closure)
    for workflow in closure.workflows:
        for node in with_cases(scope_nodes(workflow)):
            name = task_name(node)
            if name and index.has_task(name):
                yield node, index.task(name)


def place_of(node: Node) -> str:
    """The line that made a node, for people."""
    where = f"{node.source.file}:{node.source.line}: " if node.source.file else ""
    return f"{where}{node.display_name or node.id}"


def _interface(closure: Closure, task: TaskSpec) -> Iterator[Problem]:
    made = Index(closure).entry.interface
    place = f"the graph of {task.name}"
    for variable in made.inputs:
        yield Problem(
            "GraphInput", place, f"it has an input '{variable.name}'", "compile it again with a current SDK"
        )
    given = {variable.name: variable.type for variable in made.outputs}
    for variable in task.interface.outputs:
        where = f"{place}: output '{variable.name}'"
        if variable.name not in given:
            yield Problem("GraphOutput", where, "nothing gives it", f"return a {describe(variable.type)}")
            continue
        reason = assignable(given[variable.name], variable.type)
        if reason:
            yield Problem("GraphOutput", where, reason, f"return a {describe(variable.type)}")


def _code(closure: Closure, task: TaskSpec) -> Iterator[Problem]:
    """A graph runs the code that made it and no other: what was registered is what runs."""
    own = python_part(task)
    wanted = "" if own is None else own.bundle_digest
    for other in closure.tasks:
        code = python_part(other)
        if code is not None and code.bundle_digest != wanted:
            problem = f"its code is bundle {code.bundle_digest[:12] or 'none'}, the run's is {wanted[:12] or 'none'}"
            yield Problem("GraphCode", f"task {other.name}", problem, "call tasks of the same source root")
        if (
            code is not None
            and code.packages
            and (own is None or code.packages not in own.package_locks.values())
        ):
            problem = f"its packages {code.packages[:12]} are none that were locked when the run's code was registered"
            yield Problem("GraphCode", f"task {other.name}", problem, "register the workflow again")
