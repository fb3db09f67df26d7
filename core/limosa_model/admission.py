"""Admission: whether a closure may be registered and run.

The compiler finds most of this earlier and says it nearer to the source; admin and the operator check again,
because nothing forces a spec to come from our compiler.
"""

import re
from collections.abc import Iterable, Iterator

from limosa_idl.core.v1alpha1.interface_pb2 import Interface, SourceLocation, Variable
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import (
    BindingData,
    Closure,
    Condition,
    MapNode,
    Node,
    Operand,
    WorkflowSpec,
)
from limosa_model.bindings import outputs_of
from limosa_model.cache_policy import cache_problems
from limosa_model.computed.nodes import computed_problems
from limosa_model.effective import effective_task
from limosa_model.gates import gate_problems
from limosa_model.graph import ON_FAILURE, Index, branch_children, cycle, scope_nodes
from limosa_model.interfaces import node_interface, suggest
from limosa_model.names import check_name
from limosa_model.problems import Problem
from limosa_model.quantity import QuantityError, parse_amount
from limosa_model.raw_containers import check_container
from limosa_model.targets import python_part, task_name
from limosa_model.task_options import check_options
from limosa_model.types import assignable, conforms, describe
from limosa_model.workflow_errors import error_type

MAX_NODES = 20_000
"""Most nodes of a closure, sub-workflows counted once."""
MAX_DEPTH = 20
"""Deepest nesting of sub-workflows and branches."""

_HANDLERS = ("task", "dynamic", "eager", "sub_workflow")
"""Kinds of nodes that may run on failure."""
_KINDS = ("dynamic", "eager")
"""Kinds of tasks that a node of the same kind runs, and no other node."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LOADER = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def validate_closure(closure: Closure) -> list[Problem]:
    """Everything wrong with a closure; empty when it may run."""
    index = Index(closure)
    if not index.has_workflow(closure.entry):
        return [
            Problem(
                "EntryMissing", closure.entry or "closure", "the entry workflow is not in the closure", ""
            )
        ]
    problems = list(_duplicates(closure))
    if sum(len(scope_nodes(workflow)) for workflow in closure.workflows) > MAX_NODES:
        return [
            Problem(
                "TooManyNodes", closure.entry, f"more than {MAX_NODES} nodes", "use a map for repeated work"
            )
        ]
    for task in closure.tasks:
        problems += validate_task(task)
    problems += _recursion(index, closure.entry, ())
    if problems:
        return problems
    for workflow in closure.workflows:
        problems += _workflow(index, workflow)
    return problems


def validate_task(task: TaskSpec) -> list[Problem]:
    """Everything wrong with a task by itself."""
    place = f"task {task.name}{_location(task.source)}"
    problems = []
    reason = check_name("entity", task.name)
    if reason:
        problems.append(Problem("TaskName", place, reason, "rename it"))
    if task.WhichOneof("target") is None:
        problems.append(
            Problem("TaskTarget", place, "it has no target", "compile it again with a current SDK")
        )
    elif task.WhichOneof("target") == "container":
        problems += check_container(task, place)
    else:
        code = python_part(task)
        if code is None or not _LOADER.fullmatch(code.loader):
            problem = f"the loader '{'' if code is None else code.loader}' is not 'module:function'"
            problems.append(Problem("TaskLoader", place, problem, "compile it again with a current SDK"))
        elif any(digest and not _DIGEST.fullmatch(digest) for digest in _locks(code)):
            problem = "the lock of its packages is not a sha256 in lower-case hex"
            problems.append(Problem("TaskPackages", place, problem, "compile it again with a current SDK"))
    problems += _interface(task.interface, place)
    problems += _resources(task, place)
    problems += check_options(task, place)
    problems += cache_problems(task, place)
    return problems


def _locks(code: PythonTask) -> list[str]:
    return [code.packages, *code.package_locks.values()]


def _map_rules(node: MapNode, place: str) -> Iterator[Problem]:
    if not node.mapped_inputs:
        yield Problem("MapWithoutInput", place, "a map needs an input to map over", "pass a list")
    if node.min_successes and node.min_success_ratio:
        problem = "it has both min_successes and min_success_ratio"
        yield Problem("MapSuccesses", place, problem, "give one of them")
    if not 0 <= node.min_success_ratio <= 1:
        problem = f"min_success_ratio={node.min_success_ratio:g}"
        yield Problem("MapSuccesses", place, problem, "give a share above 0 and at most 1")


def _location(source: SourceLocation) -> str:
    return f" ({source.file}:{source.line})" if source.file else ""


def _duplicates(closure: Closure) -> Iterator[Problem]:
    for kind, items in (("task", closure.tasks), ("workflow", closure.workflows)):
        seen = set()
        for item in items:
            if item.name in seen:
                yield Problem(
                    "Duplicate", f"{kind} {item.name}", "it is in the closure twice", "rename one of them"
                )
            seen.add(item.name)


def _interface(interface: Interface, place: str) -> Iterator[Problem]:
    for side, variables in (("input", interface.inputs), ("output", interface.outputs)):
        seen = set()
        for variable in variables:
            where = f"{place}: {side} '{variable.name}'"
            reason = check_name("variable", variable.name)
            if reason:
                yield Problem("VariableName", where, reason, "rename it")
            if variable.name in seen:
                yield Problem("Duplicate", where, "the name is used twice", "rename one of them")
            seen.add(variable.name)
            if variable.type.WhichOneof("kind") is None:
                yield Problem("VariableType", where, "it has no type", "annotate it")
            elif variable.HasField("default_value"):
                reason = conforms(variable.default_value, variable.type)
                if reason:
                    yield Problem(
                        "DefaultType", where, f"the default does not fit: {reason}", "change the default"
                    )


def _resources(task: TaskSpec, place: str) -> Iterator[Problem]:
    requests, limits = task.resources.requests, task.resources.limits
    for name in ("cpu", "memory", "ephemeral_storage"):
        amounts = []
        for side, resource_list in (("request", requests), ("limit", limits)):
            text = getattr(resource_list, name)
            try:
                amounts.append(parse_amount(name, text) if text else None)
            except QuantityError as error:
                yield Problem("Quantity", f"{place}: {name} {side}", str(error), "")
                amounts.append(None)
        if None not in amounts and amounts[0] > amounts[1]:  # type: ignore[operator]
            problem = f"the request {getattr(requests, name)} is above the limit {getattr(limits, name)}"
            yield Problem(
                "RequestAboveLimit", f"{place}: {name}", problem, "lower the request or raise the limit"
            )


def _recursion(index: Index, name: str, stack: tuple[str, ...]) -> list[Problem]:
    if name in stack:
        chain = " → ".join((*stack[stack.index(name) :], name))
        remedy = "a workflow cannot contain itself; end the recursion with a branch inside one task"
        return [Problem("Recursion", f"workflow {name}", f"it contains itself: {chain}", remedy)]
    if len(stack) > MAX_DEPTH:
        return [
            Problem("TooDeep", f"workflow {name}", f"nested deeper than {MAX_DEPTH}", "flatten the workflow")
        ]
    problems: list[Problem] = []
    for inner in sorted(set(_sub_workflows(scope_nodes(index.workflow(name))))):
        if index.has_workflow(inner):
            problems += _recursion(index, inner, (*stack, name))
    return problems


def _sub_workflows(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        if node.WhichOneof("target") == "sub_workflow":
            yield node.sub_workflow.workflow
        elif node.WhichOneof("target") == "branch":
            yield from _sub_workflows(branch_children(node.branch))


def _workflow(index: Index, workflow: WorkflowSpec) -> list[Problem]:
    place = f"workflow {workflow.name}{_location(workflow.source)}"
    reason = check_name("entity", workflow.name)
    problems = [Problem("WorkflowName", place, reason, "rename it")] if reason else []
    problems += _interface(workflow.interface, place)
    seen: set[str] = set()
    for node in scope_nodes(workflow):
        if node.id in seen:
            problems.append(
                Problem("Duplicate", f"{place}: node {node.id}", "the id is used twice", "rename one")
            )
        seen.add(node.id)
    scope = _Scope(index, workflow, place)
    for node in workflow.nodes:
        problems += scope.check(node, node.id)
    problems += scope.check_outputs()
    if workflow.HasField("on_failure"):
        problems += _handler(index, workflow, place)
    around = cycle(workflow)
    if around:
        chain = " → ".join(around)
        problems.append(
            Problem("Cycle", place, f"nodes wait for each other: {chain}", "remove one of the orderings")
        )
    return problems


def _handler(index: Index, workflow: WorkflowSpec, place: str) -> list[Problem]:
    """What is wrong with the node that runs on failure: it sees the workflow's inputs and the failure, and no nodes."""
    node = workflow.on_failure
    kind = node.WhichOneof("target")
    if kind not in _HANDLERS:
        problem = f"a {(kind or 'empty').replace('_', ' ')} node cannot run on failure"
        return [Problem("OnFailure", f"{place}: node {node.id}", problem, "use a task or a workflow")]
    if node.id != ON_FAILURE:
        problem = f"the node that runs on failure is called '{node.id}'"
        return [Problem("OnFailure", place, problem, f"give it the id '{ON_FAILURE}'")]
    return _Scope(index, workflow, place, after_failure=True).check(node, node.id)


class _Scope:
    """The nodes of one workflow, seen by each other; or what its on-failure node sees."""

    def __init__(
        self, index: Index, workflow: WorkflowSpec, place: str, *, after_failure: bool = False
    ) -> None:
        self._index = index
        self._workflow = workflow
        self._place = place
        self._after_failure = after_failure
        self._nodes = {} if after_failure else {node.id: node for node in workflow.nodes}
        self._inputs = {variable.name: variable for variable in workflow.interface.inputs}

    def check(self, node: Node, path: str) -> list[Problem]:
        place = f"{self._place}: node {path} ({node.display_name or node.id}){_location(node.source)}"
        reason = check_name("node", node.id)
        problems = [Problem("NodeId", place, reason, "rename it")] if reason else []
        for other in node.upstream:
            if other not in self._nodes:
                problems.append(
                    Problem("UnknownNode", place, f"it is ordered after '{other}'", "no such node")
                )
        if node.WhichOneof("target") == "branch":
            return problems + self._branch(node, path, place)
        if node.WhichOneof("target") == "check":
            return problems + self._operands(node, [node.check.condition], place)
        interface = node_interface(self._index, node)
        if interface is None:
            target = task_name(node) or node.sub_workflow.workflow or "nothing"
            return [
                *problems,
                Problem("UnknownTarget", place, f"its target '{target}' is not in the closure", ""),
            ]
        if node.WhichOneof("target") == "gate":
            problems += gate_problems(node.gate, place)
        if node.WhichOneof("target") == "computed":
            problems += computed_problems(node.computed, place)
        problems += self._bindings(node, interface, place)
        problems += self._task_kind(node, place)
        problems += self._overrides(node, place)
        problems += _launch_plan(node, place)
        return problems

    def _task_kind(self, node: Node, place: str) -> Iterator[Problem]:
        name = task_name(node)
        if not name:
            return
        kind, own = node.WhichOneof("target"), self._index.task(name).WhichOneof("target")
        wrong = next((one for one in _KINDS if (own == one) != (kind == one)), None)
        if wrong is not None:
            is_, runs = ("is", "cannot run it") if own == wrong else ("is not", "can run nothing else")
            article = "an" if wrong == "eager" else "a"
            problem = f"task '{name}' {is_} {article} {wrong} task; a {kind} node {runs}"
            yield Problem("TaskKind", place, problem, "compile it again with a current SDK")

    def _overrides(self, node: Node, place: str) -> Iterator[Problem]:
        name = task_name(node)
        if name and node.HasField("overrides"):
            effective = effective_task(self._index.task(name), node.overrides)
            yield from _resources(effective, place)
            yield from check_options(effective, place)
            if node.overrides.HasField("cache"):
                yield from cache_problems(effective, place)

    def _bindings(self, node: Node, interface: Interface, place: str) -> Iterator[Problem]:
        known = {variable.name: variable for variable in interface.inputs}
        bound = set()
        for binding in node.inputs:
            where = f"{place}: input '{binding.name}'"
            if binding.name not in known:
                yield Problem("UnknownInput", where, "there is no such input", suggest(binding.name, known))
                continue
            if binding.name in bound:
                yield Problem("Duplicate", where, "it is bound twice", "bind it once")
            bound.add(binding.name)
            yield from self._fits(binding.data, known[binding.name], where)
        for name, variable in known.items():
            if name not in bound and not variable.HasField("default_value"):
                remedy = f"pass a {describe(variable.type)}"
                yield Problem("MissingInput", f"{place}: input '{name}'", "it is required", remedy)
        for name in node.map.mapped_inputs:
            if name not in known:
                yield Problem("UnknownInput", place, f"it maps over '{name}'", suggest(name, known))
        if node.WhichOneof("target") == "map":
            yield from _map_rules(node.map, place)

    def _fits(self, data: BindingData, variable: Variable, where: str) -> Iterator[Problem]:
        if data.WhichOneof("value") == "literal":
            reason = conforms(data.literal, variable.type)
        else:
            given, reason = self._type_of(data)
            if given is not None:
                reason = assignable(given, variable.type)
        if reason:
            yield Problem("InputType", where, reason, f"pass a {describe(variable.type)}")

    def _type_of(self, data: BindingData) -> tuple[LiteralType | None, str | None]:
        """The type a binding gives, or why it gives none; (None, None) where only the run can tell."""
        kind = data.WhichOneof("value")
        if kind == "output":
            if data.output.node not in self._nodes:
                return None, f"there is no node '{data.output.node}'"
            interface = node_interface(self._index, self._nodes[data.output.node])
            outputs = {} if interface is None else {variable.name: variable for variable in interface.outputs}
            if data.output.output not in outputs:
                name = data.output.output
                return None, f"node {data.output.node} has no output '{name}': {suggest(name, outputs)}"
            return (None, None) if data.output.path else (outputs[data.output.output].type, None)
        if kind == "input":
            if data.input.name not in self._inputs:
                return (
                    None,
                    f"the workflow has no input '{data.input.name}': {suggest(data.input.name, self._inputs)}",
                )
            return (None, None) if data.input.path else (self._inputs[data.input.name].type, None)
        if kind == "failure":
            if self._after_failure:
                return error_type(), None
            return None, "only an on-failure node is told the failure"
        if kind is None:
            return None, "the binding has no value"
        for node_id, _ in outputs_of(data):
            if node_id not in self._nodes:
                return None, f"there is no node '{node_id}'"
        return None, None

    def _operands(self, node: Node, conditions: Iterable[Condition], place: str) -> list[Problem]:
        """What is wrong with conditions, and with the inputs that they read."""
        problems: list[Problem] = []
        for binding in node.inputs:
            _, reason = self._type_of(binding.data)
            if reason:
                problems.append(Problem("Operand", f"{place}: operand '{binding.name}'", reason, ""))
        for condition in conditions:
            problems += _condition(condition, {binding.name for binding in node.inputs}, place)
        return problems

    def _branch(self, node: Node, path: str, place: str) -> list[Problem]:
        problems: list[Problem] = []
        if not node.branch.cases:
            problems.append(
                Problem("EmptyBranch", place, "a branch needs at least one case", "add .if_(…).then(…)")
            )
        problems += self._operands(node, [case.condition for case in node.branch.cases], place)
        children = list(branch_children(node.branch))
        for child in children:
            problems += self.check(child, f"{path}/{child.id}")
        interfaces = [node_interface(self._index, child) for child in children]
        shapes = {
            tuple(v.name for v in interface.outputs) for interface in interfaces if interface is not None
        }
        if len(shapes) > 1:
            lists = " and ".join(f"({', '.join(shape)})" for shape in sorted(shapes))
            remedy = "make every case return the same outputs"
            problems.append(
                Problem("BranchOutputs", place, f"its cases give different outputs: {lists}", remedy)
            )
        return problems

    def check_outputs(self) -> Iterator[Problem]:
        known = {variable.name: variable for variable in self._workflow.interface.outputs}
        bound = {binding.name for binding in self._workflow.outputs}
        for binding in self._workflow.outputs:
            where = f"{self._place}: output '{binding.name}'"
            if binding.name not in known:
                yield Problem("UnknownOutput", where, "the interface lacks it", suggest(binding.name, known))
            else:
                yield from self._fits(binding.data, known[binding.name], where)
        for name in known:
            if name not in bound:
                yield Problem(
                    "UnboundOutput", f"{self._place}: output '{name}'", "nothing gives it", "return it"
                )


def _launch_plan(node: Node, place: str) -> Iterator[Problem]:
    if node.WhichOneof("target") != "launch_plan":
        return
    plan = node.launch_plan
    names = (
        ("entity", plan.launch_plan),
        ("project", plan.project),
        ("domain", plan.domain),
        ("version", plan.version),
    )
    for kind, name in names:
        reason = check_name(kind, name) if name or kind == "entity" else None
        if reason:
            yield Problem("LaunchPlanName", place, reason, "name a registered launch plan")
    yield from _interface(plan.interface, place)
    if node.HasField("overrides"):
        problem = "a launch plan node takes no overrides: its run has pods of its own"
        yield Problem("LaunchPlanOverrides", place, problem, "override the tasks of the plan's workflow")


def _condition(condition: Condition, operands: set[str], place: str) -> Iterator[Problem]:
    for operand in _operands(condition):
        if operand.WhichOneof("kind") == "input" and operand.input not in operands:
            yield Problem(
                "Operand", place, f"a condition reads '{operand.input}'", suggest(operand.input, operands)
            )
        elif operand.WhichOneof("kind") is None:
            yield Problem("Operand", place, "a condition has an empty operand", "compile it again")


def _operands(condition: Condition) -> Iterator[Operand]:
    kind = condition.WhichOneof("kind")
    if kind == "comparison":
        yield condition.comparison.left
        yield condition.comparison.right
    elif kind == "negation":
        yield from _operands(condition.negation)
    elif kind == "truth":
        yield condition.truth
    elif kind is not None:
        for part in getattr(condition, kind).conditions:
            yield from _operands(part)
    else:
        yield Operand()
