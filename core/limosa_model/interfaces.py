"""Interfaces: what a node gives, and whether given inputs fit."""

from collections.abc import Iterable, Mapping

from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model.gates import gate_interface
from limosa_model.graph import Index, branch_children, tolerates_failures
from limosa_model.problems import Problem
from limosa_model.targets import task_name
from limosa_model.types import conforms, describe, optional


def suggest(name: str, known: Iterable[str]) -> str:
    """Says "did you mean 'x'?" where a known name is close, else the known names."""
    import difflib

    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"it has {', '.join(known)}" if known else "it has none"


def complete_inputs(
    interface: Interface,
    given: Mapping[str, Literal],
    defaults: Mapping[str, Literal] | None = None,
    fixed: Mapping[str, Literal] | None = None,
) -> tuple[LiteralMap, list[Problem]]:
    """All inputs of a call, and what is wrong with them.

    Args:
        interface: What is called.
        given: What the caller gave.
        defaults: A launch plan's defaults; they win over the interface's.
        fixed: A launch plan's fixed inputs; the caller may not give them.
    """
    defaults, fixed = defaults or {}, fixed or {}
    known = {variable.name: variable for variable in interface.inputs}
    problems = []
    complete: dict[str, Literal] = {}
    for name in given:
        if name not in known:
            problems.append(Problem("UnknownInput", name, "there is no such input", suggest(name, known)))
        elif name in fixed:
            problems.append(Problem("FixedInput", name, "the launch plan fixes this input", "leave it out"))
    for name, variable in known.items():
        literal = fixed.get(name) or given.get(name) or defaults.get(name)
        if literal is None and variable.HasField("default_value"):
            literal = variable.default_value
        if literal is None:
            remedy = f"give a value of type {describe(variable.type)}"
            problems.append(Problem("MissingInput", name, "this input is required", remedy))
            continue
        reason = conforms(literal, variable.type)
        if reason:
            problems.append(
                Problem("InputType", name, reason, f"give a value of type {describe(variable.type)}")
            )
        complete[name] = literal
    return LiteralMap(literals=complete), problems


def node_interface(index: Index, node: Node) -> Interface | None:
    """What a node takes and gives, None where its target is not in the closure.

    A map's mapped inputs and its outputs are collections. A branch gives what its first child gives; it and a
    check take nothing by themselves: their inputs are the operands of their conditions.
    """
    kind = node.WhichOneof("target")
    if kind == "task" and index.has_task(node.task.task):
        return index.task(node.task.task).interface
    if kind in ("dynamic", "eager") and index.has_task(task_name(node)):
        return index.task(task_name(node)).interface
    if kind == "sub_workflow" and index.has_workflow(node.sub_workflow.workflow):
        return index.workflow(node.sub_workflow.workflow).interface
    if kind == "map" and index.has_task(node.map.task):
        interface = index.task(node.map.task).interface
        return map_interface(interface, set(node.map.mapped_inputs), tolerates_failures(node.map))
    if kind == "launch_plan":
        # What it takes and gives was written down when it was compiled: the plan lies in a registry, not here.
        return node.launch_plan.interface
    if kind == "gate":
        return gate_interface(node.gate)
    if kind == "check":
        return Interface()
    if kind == "computed":
        # As a launch plan's: admission holds it against what the kind says.
        return node.computed.interface
    if kind == "branch":
        child = next(branch_children(node.branch), None)
        inner = node_interface(index, child) if child is not None else None
        return None if inner is None else Interface(outputs=inner.outputs)
    return None


def map_interface(interface: Interface, mapped: set[str], tolerant: bool = False) -> Interface:
    """A task's interface seen through a map over some of its inputs; `tolerant`: failed items give none."""

    def collect(variable: Variable, element: LiteralType) -> Variable:
        wrapped = Variable(name=variable.name, description=variable.description, sensitive=variable.sensitive)
        wrapped.type.CopyFrom(LiteralType(collection=element))
        return wrapped

    inputs = [collect(each, each.type) if each.name in mapped else each for each in interface.inputs]
    outputs = [collect(each, optional(each.type) if tolerant else each.type) for each in interface.outputs]
    return Interface(inputs=inputs, outputs=outputs)
