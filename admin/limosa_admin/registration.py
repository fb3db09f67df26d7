"""Registration: from what a client sends to entities that can be kept."""

from collections.abc import Iterator, Mapping

from google.protobuf.message import DecodeError

from limosa_admin.request_errors import invalid
from limosa_admin.store.entities import NewEntity
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, LaunchPlanSpec, Node
from limosa_model.admission import validate_closure, validate_task
from limosa_model.digests import digest_of, serialize
from limosa_model.graph import Index, branch_children, children_of, scope_nodes
from limosa_model.interfaces import suggest
from limosa_model.names import check_name
from limosa_model.problems import Problem
from limosa_model.state_size import size_problems
from limosa_model.targets import task_name
from limosa_model.types import assignable, conforms, describe


class Registration:
    """One request's entities, collected with everything that is wrong with them."""

    def __init__(self, request: pb.RegisterRequest) -> None:
        self._request = request
        self._problems: list[Problem] = []
        self._entities: dict[tuple[int, str], NewEntity] = {}

    def workflows_elsewhere(self) -> list[str]:
        """Workflows that launch plans name and the request does not hold: to be looked up at the same version."""
        here = {closure.entry for closure in self._closures()}
        return sorted({plan.workflow for plan in self._request.launch_plans} - here)

    def entities(self, elsewhere: Mapping[str, Interface]) -> list[NewEntity]:
        """Everything to register.

        Args:
            elsewhere: Interfaces of `workflows_elsewhere`, as far as they exist.

        Raises:
            RequestError: INVALID, listing every problem.
        """
        closures = list(self._closures())
        for closure in closures:
            self._problems += validate_closure(closure) or size_problems(closure)
        if not self._problems:
            for body, closure in zip(self._request.closures, closures, strict=True):
                self._add_workflow(closure, body)
            for closure in closures:
                self._add_contents(closure)
        for body in self._request.tasks:
            self._add_task(body)
        for plan in self._request.launch_plans:
            self._add_launch_plan(plan, elsewhere)
        for closure in closures:
            self._problems += self._launched(closure)
        if not self._entities and not self._problems:
            remedy = "send closures, tasks or launch plans"
            self._problems.append(Problem("Empty", "request", "there is nothing to register", remedy))
        if self._problems:
            raise invalid("nothing was registered", self._problems)
        return list(self._entities.values())

    def _closures(self) -> Iterator[Closure]:
        for position, body in enumerate(self._request.closures):
            try:
                yield Closure.FromString(body)
            except DecodeError:
                raise invalid("nothing was registered", [_undecodable("Closure", position)]) from None

    def _add_workflow(self, closure: Closure, body: bytes) -> None:
        index = Index(closure)
        meaning = digest_of(reachable(index, closure.entry))
        self._add(pb.ENTITY_KIND_WORKFLOW, closure.entry, body, meaning, index.entry.interface)

    def _add_contents(self, closure: Closure) -> None:
        index = Index(closure)
        for workflow in closure.workflows:
            if workflow.name != closure.entry:
                part = reachable(index, workflow.name)
                body = serialize(part)
                self._add(pb.ENTITY_KIND_WORKFLOW, workflow.name, body, digest_of(part), workflow.interface)
        for task in closure.tasks:
            self._add(pb.ENTITY_KIND_TASK, task.name, serialize(task), digest_of(task), task.interface)

    def _add_task(self, body: bytes) -> None:
        try:
            task = TaskSpec.FromString(body)
        except DecodeError:
            self._problems.append(_undecodable("TaskSpec", list(self._request.tasks).index(body)))
            return
        self._problems += validate_task(task)
        self._add(pb.ENTITY_KIND_TASK, task.name, body, digest_of(task), task.interface)

    def _add_launch_plan(self, plan: LaunchPlanSpec, elsewhere: Mapping[str, Interface]) -> None:
        place = f"launch plan {plan.name}"
        reason = check_name("entity", plan.name)
        if reason:
            self._problems.append(Problem("LaunchPlanName", place, reason, "rename it"))
        workflow = self._entities.get((pb.ENTITY_KIND_WORKFLOW, plan.workflow))
        interface = workflow.interface if workflow else elsewhere.get(plan.workflow)
        if interface is None:
            message = f"workflow '{plan.workflow}' is not registered in version {self._request.version}"
            self._problems.append(Problem("UnknownWorkflow", place, message, "register the workflow with it"))
            return
        self._problems += _plan_inputs(plan, interface, place)
        body = serialize(plan)
        self._add(
            pb.ENTITY_KIND_LAUNCH_PLAN, plan.name, body, digest_of(plan), plan_interface(plan, interface)
        )

    def _launched(self, closure: Closure) -> Iterator[Problem]:
        """Launch plan nodes whose plan is in the same request must know it as it is."""
        for workflow in closure.workflows:
            nodes = scope_nodes(workflow)
            while nodes:
                node = nodes.pop()
                nodes += branch_children(node.branch)
                found = self._entities.get((pb.ENTITY_KIND_LAUNCH_PLAN, node.launch_plan.launch_plan))
                own = node.launch_plan.version in ("", self._request.version)
                if node.WhichOneof("target") == "launch_plan" and found is not None and own:
                    place = f"workflow {workflow.name}: node {node.id} ({node.display_name or node.id})"
                    yield from _differences(node, found.interface, place)

    def _add(
        self, kind: "pb.EntityKind.ValueType", name: str, body: bytes, meaning: str, interface: Interface
    ) -> None:
        request = self._request
        entity = pb.EntityId(
            kind=kind, project=request.project, domain=request.domain, name=name, version=request.version
        )
        known = self._entities.setdefault((kind, name), NewEntity(entity, body, meaning, interface))
        if known.meaning != meaning:
            message = "the request holds it twice, with different contents"
            self._problems.append(
                Problem("Duplicate", name, message, "compile everything from one state of the source")
            )


def reachable(index: Index, entry: str) -> Closure:
    """The part of a closure that one of its workflows needs, sorted by name."""
    tasks: set[str] = set()
    workflows: set[str] = set()
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in workflows:
            continue
        workflows.add(name)
        nodes = scope_nodes(index.workflow(name))
        while nodes:
            node = nodes.pop()
            kind = node.WhichOneof("target")
            if kind == "sub_workflow":
                waiting.append(node.sub_workflow.workflow)
            elif kind == "branch":
                nodes += children_of(index, node)
            elif task_name(node):
                tasks.add(task_name(node))
    return Closure(
        entry=entry,
        tasks=[index.task(name) for name in sorted(tasks)],
        workflows=[index.workflow(name) for name in sorted(workflows)],
    )


def plan_interface(plan: LaunchPlanSpec, interface: Interface) -> Interface:
    """A workflow's interface as callers of a launch plan see it: its defaults in place, fixed inputs left out."""
    seen = Interface(outputs=interface.outputs)
    for variable in interface.inputs:
        if variable.name in plan.fixed_inputs.literals:
            continue
        shown = Variable()
        shown.CopyFrom(variable)
        if variable.name in plan.default_inputs.literals:
            shown.default_value.CopyFrom(plan.default_inputs.literals[variable.name])
        seen.inputs.append(shown)
    return seen


def _plan_inputs(plan: LaunchPlanSpec, interface: Interface, place: str) -> Iterator[Problem]:
    known = {variable.name: variable for variable in interface.inputs}
    for side, given in (("default", plan.default_inputs.literals), ("fixed", plan.fixed_inputs.literals)):
        for name, literal in given.items():
            where = f"{place}: {side} input '{name}'"
            if name not in known:
                yield Problem(
                    "UnknownInput", where, f"{plan.workflow} has no such input", suggest(name, known)
                )
                continue
            reason = conforms(literal, known[name].type)
            if reason:
                remedy = f"give a value of type {describe(known[name].type)}"
                yield Problem("InputType", where, reason, remedy)
    for name in set(plan.default_inputs.literals) & set(plan.fixed_inputs.literals):
        where = f"{place}: input '{name}'"
        yield Problem("Duplicate", where, "it has a default and is fixed", "leave one of them out")


def _differences(node: Node, actual: Interface, place: str) -> Iterator[Problem]:
    """What a launch plan node believes of its plan and is not so."""
    declared, remedy = node.launch_plan.interface, "compile everything from one state of the source"
    inputs = {variable.name: variable for variable in actual.inputs}
    outputs = {variable.name: variable for variable in actual.outputs}
    bound = {binding.name for binding in node.inputs}
    for variable in declared.inputs:
        if variable.name not in bound:
            continue
        known = inputs.get(variable.name)
        reason = "it has no such input" if known is None else assignable(variable.type, known.type)
        if reason:
            yield Problem("LaunchPlanInterface", f"{place}: input '{variable.name}'", reason, remedy)
    for name, variable in inputs.items():
        if name not in bound and not variable.HasField("default_value"):
            message = f"launch plan {node.launch_plan.launch_plan} requires it"
            yield Problem("LaunchPlanInterface", f"{place}: input '{name}'", message, remedy)
    for variable in declared.outputs:
        known = outputs.get(variable.name)
        reason = "it has no such output" if known is None else assignable(known.type, variable.type)
        if reason:
            yield Problem("LaunchPlanInterface", f"{place}: output '{variable.name}'", reason, remedy)


def _undecodable(message: str, position: int) -> Problem:
    remedy = "send it with a client of this server's version"
    return Problem("Undecodable", f"{message} {position}", f"the bytes are not a {message}", remedy)
