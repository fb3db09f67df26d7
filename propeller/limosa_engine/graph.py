"""The graph of a run, indexed once: every node of every scope as a flat list."""

import dataclasses
from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration

from limosa_engine.settings import EngineSettings
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.run.v1alpha1.run_pb2 import Epoch
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, FailurePolicy, Node, WorkflowSpec
from limosa_model.effective import effective_task
from limosa_model.graph import branch_children, dependencies, needed_successes

MAX_NODES = 100_000
"""Most nodes a run may have once its sub-workflows are unfolded."""


class GraphError(ValueError):
    """A closure that cannot be run; the message names the place."""


@dataclasses.dataclass(frozen=True, order=True)
class Item:
    """A node item: one index of a map node, or with index None the node itself."""

    node_path: str
    index: int | None = None

    def __str__(self) -> str:
        return self.node_path if self.index is None else f"{self.node_path}[{self.index}]"


@dataclasses.dataclass(frozen=True)
class NodePlan:
    """One node of the unfolded graph. Numbers index `Graph.nodes` and `Graph.scopes`."""

    number: int
    path: str
    kind: str
    """Field name of the node's target: "task", "map", "branch", "sub_workflow"."""
    node: Node
    scope: int
    """The scope its bindings refer to."""
    parent: int | None
    """The branch node it is a case of; None for a node that stands in its scope itself."""
    dependencies: tuple[int, ...]
    """Nodes of the scope that must succeed first; empty for a case of a branch, which waits with the branch."""
    task: TaskSpec | None
    """With the node's overrides applied; None unless the kind is task or map."""
    item: Item
    dependents: list[int] = dataclasses.field(default_factory=list)
    cases: list[int] = dataclasses.field(default_factory=list)
    """Branch nodes: the children in case order, the one for "otherwise" last."""
    body: int | None = None
    """Sub-workflow nodes: the scope inside."""
    mapped: frozenset[str] = frozenset()
    """Map nodes: inputs that differ from item to item."""
    retries: int = 0
    """Further attempts after failures of kind USER."""
    backoff: float = 0.0
    """Seconds before such an attempt."""
    timeout: float | None = None
    """Seconds one launch may run."""
    deadline: float | None = None
    """Seconds the node may take from when it is first ready."""

    @property
    def is_map(self) -> bool:
        """Whether its items carry an index."""
        return self.kind == "map"

    def needed(self, count: int) -> int:
        """How many of a map's `count` items must succeed."""
        return needed_successes(self.node.map, count)

    def item_at(self, position: int) -> Item:
        """The node item at a position of its record."""
        return Item(self.path, position) if self.is_map else self.item

    @property
    def runs(self) -> TaskSpec:
        """The task; only for kinds that run one."""
        if self.task is None:
            raise TypeError(f"{self.path} is a {self.kind} node and runs no task")
        return self.task

    @property
    def target(self) -> str:
        """Name of the task or workflow; empty for branches."""
        if self.task is not None:
            return self.task.name
        return self.node.sub_workflow.workflow if self.kind == "sub_workflow" else ""


@dataclasses.dataclass(frozen=True)
class ScopePlan:
    """One instance of a workflow: the run's own, or that of a sub-workflow node."""

    number: int
    workflow: WorkflowSpec
    owner: int | None
    """The sub-workflow node around it; None for the run's own."""
    by_id: dict[str, int] = dataclasses.field(default_factory=dict)
    """Nodes that stand in the scope itself, in the author's order."""

    @property
    def fails_immediately(self) -> bool:
        """Whether the first failure ends the scope's other nodes."""
        return (
            self.workflow.failure_policy != FailurePolicy.FAILURE_POLICY_FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
        )


class Graph:
    """What a run is: its closure unfolded, its facts and the settings. Never changes.

    Args:
        closure: A closure that `limosa_model.graph.validate_closure` accepts.
        settings: Limits and delays.
        run_uid: Uid of the run.
        name: Name of the run.
        epoch: The claim under which it is worked on.
        inputs: Of the entry workflow, complete with defaults.

    Raises:
        GraphError: The closure lacks something it names, or unfolds to more than `MAX_NODES` nodes.
    """

    def __init__(
        self,
        closure: Closure,
        settings: EngineSettings,
        *,
        run_uid: str,
        name: str,
        epoch: Epoch,
        inputs: Mapping[str, Literal],
    ) -> None:
        self.closure = closure
        self.settings = settings
        self.run_uid = run_uid
        self.name = name
        self.epoch = epoch
        self.inputs = dict(inputs)
        self.nodes: list[NodePlan] = []
        self.scopes: list[ScopePlan] = []
        self._tasks = {task.name: task for task in closure.tasks}
        self._workflows = {workflow.name: workflow for workflow in closure.workflows}
        self._check_size()
        self._add_scope(closure.entry, "", None)
        self.by_path = {plan.path: plan.number for plan in self.nodes}

    @property
    def claimed_before(self) -> bool:
        """Another claim came before: results may exist, so commits are read before first launches."""
        return self.epoch.number > 1

    def task_of(self, item: Item) -> TaskSpec:
        """The task of a node item, with the node's overrides applied."""
        return self.nodes[self.by_path[item.node_path]].runs

    def _workflow(self, name: str) -> WorkflowSpec:
        if name not in self._workflows:
            raise GraphError(f"the closure has no workflow '{name}'")
        return self._workflows[name]

    def _check_size(self) -> None:
        """Counts before unfolding: a few nested sub-workflows can stand for billions of nodes."""
        sizes: dict[str, int] = {}

        def size(name: str, around: tuple[str, ...]) -> int:
            if name in around:
                raise GraphError(f"workflow '{name}' contains itself: {' > '.join((*around, name))}")
            if name not in sizes:
                sizes[name] = sum(node_size(node, (*around, name)) for node in self._workflow(name).nodes)
            return sizes[name]

        def node_size(node: Node, around: tuple[str, ...]) -> int:
            if node.WhichOneof("target") == "sub_workflow":
                return 1 + size(node.sub_workflow.workflow, around)
            return 1 + sum(node_size(child, around) for child in branch_children(node.branch))

        total = size(self.closure.entry, ())
        if total > MAX_NODES:
            raise GraphError(f"the workflow unfolds to {total} nodes; at most {MAX_NODES} are allowed")

    def _add_scope(self, workflow: str, prefix: str, owner: int | None) -> int:
        plan = ScopePlan(len(self.scopes), self._workflow(workflow), owner)
        self.scopes.append(plan)
        placed = [(node, self._reserve(node, plan, prefix, None)) for node in plan.workflow.nodes]
        for node, number in placed:
            needed = sorted(plan.by_id[name] for name in dependencies(node))
            self.nodes[number] = dataclasses.replace(self.nodes[number], dependencies=tuple(needed))
            for other in needed:
                self.nodes[other].dependents.append(number)
        return plan.number

    def _reserve(self, node: Node, scope: ScopePlan, prefix: str, parent: int | None) -> int:
        kind = node.WhichOneof("target")
        if kind is None:
            raise GraphError(f"node '{prefix}{node.id}' has no target")
        path, number = prefix + node.id, len(self.nodes)
        task = self._task(node, kind)
        plan = NodePlan(
            number=number,
            path=path,
            kind=kind,
            node=node,
            scope=scope.number,
            parent=parent,
            dependencies=(),
            task=task,
            item=Item(path),
            mapped=frozenset(node.map.mapped_inputs) if kind == "map" else frozenset(),
            retries=task.retry.retries if task else 0,
            backoff=_seconds(task.retry.backoff) if task else 0.0,
            timeout=_seconds(task.timeout) if task and task.HasField("timeout") else None,
            deadline=_seconds(task.deadline) if task and task.HasField("deadline") else None,
        )
        self.nodes.append(plan)
        if parent is None:
            scope.by_id[node.id] = number
        for child in branch_children(node.branch):
            plan.cases.append(self._reserve(child, scope, path + "/", number))
        if kind == "sub_workflow":
            body = self._add_scope(node.sub_workflow.workflow, path + "/", number)
            self.nodes[number] = dataclasses.replace(plan, body=body)
        return number

    def _task(self, node: Node, kind: str) -> TaskSpec | None:
        if kind not in ("task", "map"):
            return None
        name = node.task.task if kind == "task" else node.map.task
        if name not in self._tasks:
            raise GraphError(f"node '{node.id}': the closure has no task '{name}'")
        return effective_task(self._tasks[name], node.overrides if node.HasField("overrides") else None)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9
