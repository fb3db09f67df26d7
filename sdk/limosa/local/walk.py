"""Walking a workflow's graph: nodes in the order their inputs allow, values as literals."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError
from limosa.local.answers import pass_gate
from limosa.local.attempts import Attempt, attempt_graph, attempt_task
from limosa.local.cache import LocalCache
from limosa.local.failing import error_of, failure_at, note
from limosa.local.history import RunDirectory
from limosa.local.progress import NodeProgress, Report
from limosa.local.transfer import LocalTransfer
from limosa.map_tasks import MapPolicy, Tolerance
from limosa.tasks import Task
from limosa.workflows import Workflow
from limosa_idl.core.v1alpha1.interface_pb2 import Interface
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import (
    NODE_PHASE_FAILED,
    NODE_PHASE_RUNNING,
    NODE_PHASE_SKIPPED,
    NODE_PHASE_SUCCEEDED,
)
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, Node
from limosa_model import values
from limosa_model.bindings import BindingError, resolve
from limosa_model.computed.kind import Unfit
from limosa_model.computed.nodes import compute
from limosa_model.conditions import ConditionError, evaluate
from limosa_model.failures import Code
from limosa_model.generated import MAX_DYNAMIC_DEPTH
from limosa_model.graph import branch_children, branch_name, check_failed, dependencies, written_at

if TYPE_CHECKING:
    from limosa.dynamic_tasks import Generated
    from limosa.launch_plans import LaunchPlan

Literals = Mapping[str, Literal]
MAX_CHILD_DEPTH = 5
"""Launch plans within launch plans; the platform's own limit unless it was changed there."""


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What every node of one run shares."""

    record: RunDirectory
    scratch: Path
    report: Report
    cache: LocalCache | None = None
    """Results of earlier runs; None where every task runs."""


class Scope:
    """The nodes of one workflow, or of one use of it as a sub-workflow, and their results so far."""

    def __init__(
        self,
        workflow: "Workflow[..., Any] | Generated",
        inputs: Literals,
        path: str,
        run: Surroundings,
        dynamic_depth: int = 0,
        depth: int = 0,
    ) -> None:
        """Takes the workflow and where it runs.

        Args:
            workflow: What is walked.
            inputs: Its inputs.
            path: Where it lies; "" for the run's own.
            run: The run.
            dynamic_depth: Dynamic and eager nodes around it.
            depth: Launch plan nodes around it.
        """
        self._depth = depth
        self._workflow = workflow
        self._inputs = with_defaults(workflow.interface, inputs)
        self._path = path
        self._run = run
        self._dynamic_depth = dynamic_depth
        self._results: dict[str, Literals] = {}

    def walk(self) -> dict[str, Literal]:
        """Runs every node and gives the workflow's outputs; where that fails, what runs on failure comes last."""
        try:
            return self._walk()
        except Exception as error:
            if self._workflow.spec.HasField("on_failure"):
                self._handle(self._workflow.spec.on_failure, error)
            raise

    def _walk(self) -> dict[str, Literal]:
        waiting = list(self._workflow.spec.nodes)
        while waiting:
            ready = next(node for node in waiting if dependencies(node) <= self._results.keys())
            waiting.remove(ready)
            path = self._path + ready.id
            try:
                self._results[ready.id] = self._run_node(ready, path)
            except Exception as error:
                failure_at(error, path)
                raise
        return {
            binding.name: self._resolve(binding, "the outputs") for binding in self._workflow.spec.outputs
        }

    def _handle(self, node: Node, error: Exception) -> None:
        """Runs the on-failure node; how it ends changes nothing, and is told by its own progress."""
        inputs = {}
        for binding in node.inputs:
            told = binding.data.WhichOneof("value") == "failure"
            inputs[binding.name] = error_of(error) if told else self._resolve(binding, _place(node))
        try:
            self._run_target(node, inputs, self._path + node.id)
        except Exception as second:  # noqa: BLE001 - the author's own; the first one is the run's, this one is told beside it
            note(error, f"{node.display_name}, which runs on failure, failed too: {second!r}")

    def _run_node(self, node: Node, path: str) -> Literals:
        inputs = {binding.name: self._resolve(binding, _place(node)) for binding in node.inputs}
        return self._run_target(node, inputs, path)

    def _run_target(self, node: Node, inputs: Literals, path: str) -> Literals:
        kind = node.WhichOneof("target")
        if kind == "eager":
            return self._run_eager(node, inputs, path)
        if kind == "task":
            return self._attempt(node, self._workflow.targets[node.task.task], inputs, path, None)
        self._run.record.values(path, None, inputs)
        results = self._run_compound(node, inputs, path)
        self._run.record.values(path, None, inputs, results)
        return results

    def _run_compound(self, node: Node, inputs: Literals, path: str) -> Literals:
        kind = node.WhichOneof("target")
        if kind == "dynamic":
            return self._run_dynamic(node, inputs, path)
        if kind == "gate":
            return self._pass_gate(node, inputs, path)
        items = max((len(inputs[name].collection.literals) for name in node.map.mapped_inputs), default=0)
        self._run.report(NodeProgress(path, None, node, NODE_PHASE_RUNNING, 0, items=items))
        try:
            if kind == "map":
                results: Literals = self._run_map(node, inputs, path)
            elif kind == "branch":
                results = self._run_branch(node, inputs, path)
            elif kind == "check":
                results = _check(node, inputs, path)
            elif kind == "computed":
                results = _compute(node, inputs, path)
            elif kind == "launch_plan":
                results = self._run_plan(node, inputs, path)
            else:
                inner = self._workflow.targets[node.sub_workflow.workflow]
                results = Scope(inner, inputs, path + "/", self._run, self._dynamic_depth, self._depth).walk()
        except BaseException as error:
            self._failed(node, path, error)
            raise
        self._report(node, path, NODE_PHASE_SUCCEEDED)
        return results

    def _attempt(self, node: Node, task: Any, inputs: Literals, path: str, index: int | None) -> Literals:
        attempt = _item(node, task, inputs, path, index)
        run = self._run
        return attempt_task(task, attempt, run.record, run.scratch, run.report, run.cache)

    def _pass_gate(self, node: Node, inputs: Literals, path: str) -> Literals:
        launch_id = self._run.record.launch_id(path, None, 1)
        self._report(node, path, NODE_PHASE_RUNNING)
        try:
            outputs = pass_gate(
                node, inputs, path, LocalTransfer(self._run.record.data(launch_id), self._run.scratch)
            )
        except LimosaError as error:
            self._failed(node, path, error, attempt=1)
            raise
        self._run.record.commit(
            path, None, launch_id, LiteralMap(literals=inputs), LiteralMap(literals=outputs)
        )
        self._report(node, path, NODE_PHASE_SUCCEEDED)
        return outputs

    def _run_dynamic(self, node: Node, inputs: Literals, path: str) -> Literals:
        task = self._workflow.targets[node.dynamic.task]
        return walk_dynamic(
            task, _item(node, task, inputs, path, None), self._run, self._dynamic_depth, _place(node)
        )

    def _run_eager(self, node: Node, inputs: Literals, path: str) -> Literals:
        from limosa.local.eager_walk import walk_eager

        task = self._workflow.targets[node.eager.task]
        item = _item(node, task, inputs, path, None)
        return walk_eager(task, item, self._run, self._dynamic_depth, _place(node))

    def _run_plan(self, node: Node, inputs: Literals, path: str) -> Literals:
        """The plan's workflow, in place: on the platform it is a run of its own."""
        if self._depth >= MAX_CHILD_DEPTH:
            message = f"launch plans are nested deeper than {MAX_CHILD_DEPTH}"
            raise LimosaError(Code.TOO_DEEP, message, _place(node), "end the recursion earlier")
        plan: LaunchPlan[Any] = self._workflow.targets[f"launch plan {node.launch_plan.launch_plan}"]
        spec = plan.spec
        given = {**spec.default_inputs.literals, **inputs, **spec.fixed_inputs.literals}
        scope = Scope(plan.workflow, given, path + "/", self._run, self._dynamic_depth, self._depth + 1)
        return scope.walk()

    def _run_map(self, node: Node, inputs: Literals, path: str) -> Literals:
        task = self._workflow.targets[node.map.task]
        lists = {name: list(inputs[name].collection.literals) for name in node.map.mapped_inputs}
        lengths = {name: len(items) for name, items in lists.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            message = f"map_task({node.display_name}) got lists of different lengths: {shown}"
            raise LimosaError(Code.MAP_LENGTHS, message, _place(node), "pass lists of one length")
        policy = MapPolicy(min_successes=node.map.min_successes, min_success_ratio=node.map.min_success_ratio)
        items = Tolerance(policy, next(iter(lengths.values())))
        for index in range(items.count):
            item = {**inputs, **{name: elements[index] for name, elements in lists.items()}}
            with items:
                items.results.append(self._attempt(node, task, item, path, index))
        none = values.none()
        return {
            name: values.collection([none if row is None else row[name] for row in items.results])
            for name in task.python_outputs
        }

    def _run_branch(self, node: Node, operands: Literals, path: str) -> Literals:
        taken: Node | None = None
        for case in node.branch.cases:
            try:
                if evaluate(case.condition, operands):
                    taken = case.then
                    break
            except ConditionError as error:
                raise LimosaError(Code.BRANCH_CONDITION, str(error), branch_name(node, path)) from error
        if taken is None and node.branch.WhichOneof("otherwise") == "else_then":
            taken = node.branch.else_then
        for child in branch_children(node.branch):
            if taken is None or child.id != taken.id:
                self._report(child, f"{path}/{child.id}", NODE_PHASE_SKIPPED)
        if taken is None:
            raise LimosaError(Code.BRANCH_FAILED, node.branch.else_fail, branch_name(node, path))
        return self._run_node(taken, f"{path}/{taken.id}")

    def _resolve(self, binding: Binding, place: str) -> Literal:
        try:
            return resolve(binding.data, lambda node, output: self._results[node][output], self._inputs)
        except BindingError as error:
            raise LimosaError(Code.BINDING, f"input '{binding.name}': {error}", place) from error

    def _report(self, node: Node, path: str, phase: Any) -> None:
        self._run.report(NodeProgress(path, None, node, phase, 0))

    def _failed(self, node: Node, path: str, error: BaseException, attempt: int = 0) -> None:
        failure = failure_at(error, path)
        self._run.report(NodeProgress(path, None, node, NODE_PHASE_FAILED, attempt, failure))


def walk_dynamic(
    task: Task[..., Any], item: Attempt, run: Surroundings, depth: int, place: str
) -> dict[str, Literal]:
    """Has a dynamic task describe its graph, and walks that.

    Args:
        task: The dynamic task.
        item: Its node.
        run: The run.
        depth: Dynamic nodes around it.
        place: Where it was called.
    """
    if depth >= MAX_DYNAMIC_DEPTH:
        message = f"{item.path} lies in {depth + 1} dynamic nodes, at most {MAX_DYNAMIC_DEPTH} are allowed"
        raise LimosaError(Code.DYNAMIC_TOO_DEEP, message, place, "end the recursion earlier")
    made = attempt_graph(task, item, run.record, run.scratch, run.report)
    run.report(NodeProgress(item.path, None, item.node, NODE_PHASE_RUNNING, 0, made=made))
    try:
        results = Scope(made, {}, item.path + "/", run, depth + 1).walk()
    except BaseException as error:
        failure = failure_at(error, item.path)
        run.report(NodeProgress(item.path, None, item.node, NODE_PHASE_FAILED, 0, failure))
        raise
    run.report(NodeProgress(item.path, None, item.node, NODE_PHASE_SUCCEEDED, 0))
    return results


def _item(node: Node, task: Any, inputs: Literals, path: str, index: int | None) -> Attempt:
    retries = node.overrides.retry.retries if node.overrides.HasField("retry") else task.options.retries
    return Attempt(node, path, index, with_defaults(task.interface, inputs), retries)


def with_defaults(interface: Interface, given: Literals) -> dict[str, Literal]:
    """All inputs of an interface: those given, and defaults for the others."""
    complete = {v.name: v.default_value for v in interface.inputs if v.HasField("default_value")}
    return {**complete, **given}


def _place(node: Node) -> str:
    return f"{node.source.file}:{node.source.line}: {node.display_name}"


def _compute(node: Node, inputs: Literals, path: str) -> Literals:
    try:
        return compute(node.computed, inputs)
    except Unfit as unfit:
        place = f"{node.computed.kind} at {written_at(node, path)}"
        raise LimosaError(Code.COMPUTATION, str(unfit), place) from unfit


def _check(node: Node, operands: Literals, path: str) -> Literals:
    try:
        holds = evaluate(node.check.condition, operands)
    except ConditionError as error:
        place = f"the check at {written_at(node, path)}"
        raise LimosaError(Code.BRANCH_CONDITION, str(error), place) from error
    if not holds:
        raise LimosaError(Code.CHECK_FAILED, check_failed(node, path))
    return {}
