"""The graph of a run, indexed once: every node of every scope as a flat list."""

import copy
import dataclasses
from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration

from limosa_engine.kinds import KINDS
from limosa_engine.retry import NO_BUDGET, Budget, budget_of
from limosa_engine.settings import EngineSettings
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.run.v1alpha1.run_pb2 import (
    CACHE_MODE_OVERWRITE,
    CACHE_MODE_SKIP,
    CACHE_MODE_UNSPECIFIED,
    CacheMode,
    Epoch,
    Reuse,
)
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, FailurePolicy, Node, WorkflowSpec
from limosa_model.cache_key import CacheKeys
from limosa_model.effective import effective_task
from limosa_model.graph import branch_children, dependencies, needed_successes, scope_nodes
from limosa_model.names import launch_id
from limosa_model.targets import task_name

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
class CachePlan:
    """How a node's results are found and kept in the cache."""

    keys: CacheKeys
    version: str
    serialize: bool
    """Of equal launches one runs at a time."""
    overwrite: bool
    """What is there is not used, and replaced."""


@dataclasses.dataclass(frozen=True)
class NodePlan:
    """One node of the unfolded graph. Numbers index `Graph.nodes` and `Graph.scopes`."""

    number: int
    path: str
    kind: str
    """Field name of the node's target: "task", "map", "branch", "check", "computed", "sub_workflow", "dynamic", "eager", "gate", "launch_plan"."""
    node: Node
    scope: int
    """The scope its bindings refer to."""
    parent: int | None
    """The branch node it is a case of; None for a node that stands in its scope itself."""
    dependencies: tuple[int, ...]
    """Nodes of the scope that must succeed first; empty for a case of a branch, which waits with the branch."""
    task: TaskSpec | None
    """With the node's overrides applied; None for kinds that run no task themselves."""
    item: Item
    dependents: list[int] = dataclasses.field(default_factory=list)
    cases: list[int] = dataclasses.field(default_factory=list)
    """Branch nodes: the children in case order, the one for "otherwise" last."""
    body: int | None = None
    """The scope inside: of sub-workflow nodes, and of dynamic nodes once their graph is known."""
    calls: list[int] = dataclasses.field(default_factory=list)
    """Eager nodes: a scope for each call so far, of one node whose id is the call's."""
    dynamic_depth: int = 0
    """Dynamic and eager nodes around it, itself included."""
    handles: bool = False
    """It runs when its scope has failed."""
    after_failure: bool = False
    """It is, or is inside, such a node."""
    mapped: frozenset[str] = frozenset()
    """Map nodes: inputs that differ from item to item."""
    budget: Budget = NO_BUDGET
    """How often an item may fail by its author's fault, and the waits in between."""
    timeout: float | None = None
    """Seconds one launch may run."""
    deadline: float | None = None
    """Seconds the node may take from when it is first ready."""
    cache: CachePlan | None = None
    """None where results are neither looked up nor kept."""
    reusable: bool = False
    """Its items may have results in the run that this one resumes."""

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
    def makes_graph(self) -> bool:
        """Whether its task commits a graph in place of outputs."""
        return self.kind == "dynamic"

    @property
    def makes_calls(self) -> bool:
        """Whether its task launches other nodes while it runs."""
        return self.kind == "eager"

    @property
    def priority(self) -> int:
        """Where slots are short, greater ones are launched first."""
        return self.task.priority if self.task is not None else 0

    @property
    def target(self) -> str:
        """Name of the task, workflow, launch plan or computation; empty for other kinds."""
        if self.task is not None:
            return self.task.name
        node = self.node
        return node.sub_workflow.workflow or node.launch_plan.launch_plan or node.computed.kind


@dataclasses.dataclass(frozen=True)
class ScopePlan:
    """One instance of a workflow: the run's own, a sub-workflow node's, a dynamic node's graph, or a call of an eager node."""

    number: int
    workflow: WorkflowSpec
    owner: int | None
    """The sub-workflow, dynamic or eager node around it; None for the run's own."""
    call: str = ""
    """Of an eager node: id of the call."""
    dynamic_depth: int = 0
    """Dynamic and eager nodes around it."""
    by_id: dict[str, int] = dataclasses.field(default_factory=dict)
    """Nodes that stand in the scope itself, in the author's order; without the one that runs on failure."""
    handler: int | None = None
    """The node that runs on failure."""
    after_failure: bool = False
    """It is inside a node that runs on failure."""

    @property
    def fails_immediately(self) -> bool:
        """Whether the first failure ends the scope's other nodes."""
        return (
            self.workflow.failure_policy != FailurePolicy.FAILURE_POLICY_FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
        )


class Names:
    """What the nodes of one closure may name."""

    def __init__(self, closure: Closure) -> None:
        self.entry = closure.entry
        self._tasks = {task.name: task for task in closure.tasks}
        self._workflows = {workflow.name: workflow for workflow in closure.workflows}

    def workflow(self, name: str) -> WorkflowSpec:
        """A workflow. Raises GraphError."""
        if name not in self._workflows:
            raise GraphError(f"the closure has no workflow '{name}'")
        return self._workflows[name]

    def task(self, node: Node) -> TaskSpec | None:
        """The task that a node runs itself, its overrides applied. Raises GraphError."""
        name = task_name(node)
        if not name:
            return None
        if name not in self._tasks:
            raise GraphError(f"node '{node.id}': the closure has no task '{name}'")
        return effective_task(self._tasks[name], node.overrides if node.HasField("overrides") else None)

    def unfolded_size(self) -> int:
        """Nodes of the entry, counted before unfolding: a few nested sub-workflows can stand for billions."""
        sizes: dict[str, int] = {}

        def size(name: str, around: tuple[str, ...]) -> int:
            if name in around:
                raise GraphError(f"workflow '{name}' contains itself: {' > '.join((*around, name))}")
            if name not in sizes:
                nodes = scope_nodes(self.workflow(name))
                sizes[name] = sum(node_size(node, (*around, name)) for node in nodes)
            return sizes[name]

        def node_size(node: Node, around: tuple[str, ...]) -> int:
            if node.WhichOneof("target") == "sub_workflow":
                return 1 + size(node.sub_workflow.workflow, around)
            return 1 + sum(node_size(child, around) for child in branch_children(node.branch))

        return size(self.entry, ())


class Graph:
    """What a run is: its closure unfolded, its facts and the settings.

    What is there never changes, but for the body of a dynamic node and the calls of an eager one: `grow` appends their
    nodes at the end, and numbers given before stay. The same growths in the same order give the same numbers.

    Args:
        closure: A closure that `limosa_model.graph.validate_closure` accepts.
        settings: Limits and delays.
        run_uid: Uid of the run.
        name: Name of the run.
        epoch: The claim under which it is worked on.
        inputs: Of the entry workflow, complete with defaults.
        project: Where the run is at home; part of cache keys.
        domain: Likewise.
        cache_mode: What the run does with cached results.
        reuse: The run that this one resumes, and which nodes are launched all the same.

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
        project: str = "",
        domain: str = "",
        cache_mode: "CacheMode.ValueType" = CACHE_MODE_UNSPECIFIED,
        reuse: Reuse | None = None,
    ) -> None:
        self.closure = closure
        self.settings = settings
        self.run_uid = run_uid
        self.name = name
        self.epoch = epoch
        self.inputs = dict(inputs)
        self.project, self.domain, self.cache_mode = project, domain, cache_mode
        self._reuse = reuse
        self._excepted = frozenset(() if reuse is None else reuse.except_nodes)
        self.nodes: list[NodePlan] = []
        self.scopes: list[ScopePlan] = []
        self.by_path: dict[str, int] = {}
        self.launching = 0
        """Nodes that are a single item."""
        self.grown: dict[int, Closure] = {}
        """Graphs of dynamic nodes and of calls, by the number of their scope, in the order of growth."""
        self.grown_bytes = 0
        """Their serialised size."""
        self.call_bytes = 0
        """Length of the ids of all calls."""
        names = Names(closure)
        total = names.unfolded_size()
        if total > MAX_NODES:
            raise GraphError(f"the workflow unfolds to {total} nodes; at most {MAX_NODES} are allowed")
        self._add_scope(names, closure.entry, "", None, 0)
        self._given = len(self.nodes), len(self.scopes), self.launching

    def for_run(
        self,
        settings: EngineSettings,
        *,
        run_uid: str,
        name: str,
        epoch: Epoch,
        inputs: Mapping[str, Literal],
    ) -> "Graph":
        """The graph of another run of the same closure, in the same project, domain and cache mode, as it was given.

        Node plans are shared: what a graph grows by is put beside them. Arguments are those of a graph that is made anew.
        """
        if self.grown or self._reuse is not None:
            raise TypeError(
                f"the graph of run {self.run_uid} is its own: it has grown, or resumes another run"
            )
        graph = copy.copy(self)
        graph.settings, graph.inputs = settings, dict(inputs)
        graph.run_uid, graph.name, graph.epoch = run_uid, name, epoch
        # Calls are the one thing that a plan's own list takes.
        graph.nodes = [
            dataclasses.replace(plan, calls=[]) if plan.makes_calls else plan for plan in self.nodes
        ]
        graph.scopes, graph.by_path, graph.grown = list(self.scopes), dict(self.by_path), {}
        return graph

    @property
    def claimed_before(self) -> bool:
        """Another claim came before: results may exist, so commits are read before first launches."""
        return self.epoch.number > 1

    def launch_id(self, item: Item, launch: int) -> str:
        """The id of a launch under this claim."""
        return launch_id(self.run_uid, item.node_path, item.index, self.epoch, launch)

    def task_of(self, item: Item) -> TaskSpec:
        """The task of a node item, with the node's overrides applied."""
        return self.nodes[self.by_path[item.node_path]].runs

    def grow(self, number: int, closure: Closure, call: str = "") -> int:
        """Appends what a dynamic node's task made, as the body of that node, or a call of an eager node.

        Args:
            number: The node; a dynamic one has no body yet.
            closure: A closure that `limosa_model.generated.validate_generated`, or `validate_call`, accepts.
            call: Of an eager node: id of the call, which is new.

        Returns:
            The number of the scope.

        Raises:
            GraphError: The closure lacks something it names; the graph is what it was.
        """
        plan = self.nodes[number]
        taken = f"{plan.path}/{call}" in self.by_path if plan.makes_calls else plan.body is not None
        if taken or plan.makes_calls != bool(call) or not (plan.makes_graph or plan.makes_calls):
            raise GraphError(f"{plan.path} ({plan.kind}) cannot take a graph")
        before = len(self.nodes), len(self.scopes), self.launching
        try:
            body = self._add_scope(
                Names(closure), closure.entry, plan.path + "/", number, plan.dynamic_depth, plan.after_failure
            )
        except GraphError:
            self._cut(*before)
            raise
        if call:
            self.scopes[body] = dataclasses.replace(self.scopes[body], call=call)
            plan.calls.append(body)
            self.call_bytes += len(call)
        else:
            self.nodes[number] = dataclasses.replace(plan, body=body)
        self.grown[body] = closure
        self.grown_bytes += closure.ByteSize()
        return body

    def as_given(self) -> "Graph":
        """Takes all growth back, so that a state can begin from the start or be decoded. Gives the graph itself."""
        for scope in self.grown:
            number = self.scopes[scope].owner
            if number is not None and number < self._given[0]:
                self.nodes[number] = dataclasses.replace(self.nodes[number], body=None, calls=[])
        self.grown.clear()
        self.grown_bytes = self.call_bytes = 0
        self._cut(*self._given)
        return self

    def grows_at(self, path: str) -> int | None:
        """The node that may grow below which a path lies that the graph does not have (yet)."""
        while "/" in path:
            path = path.rpartition("/")[0]
            number = self.by_path.get(path)
            if number is not None:
                plan = self.nodes[number]
                waits = plan.makes_calls or (plan.makes_graph and plan.body is None)
                return number if waits else None
        return None

    def _cut(self, nodes: int, scopes: int, launching: int) -> None:
        for plan in self.nodes[nodes:]:
            del self.by_path[plan.path]
        del self.nodes[nodes:], self.scopes[scopes:]
        self.launching = launching

    def _add_scope(
        self,
        names: Names,
        workflow: str,
        prefix: str,
        owner: int | None,
        depth: int,
        after_failure: bool = False,
    ) -> int:
        plan = ScopePlan(
            len(self.scopes),
            names.workflow(workflow),
            owner,
            dynamic_depth=depth,
            after_failure=after_failure,
        )
        self.scopes.append(plan)
        placed = [(node, self._reserve(names, node, plan, prefix, None)) for node in plan.workflow.nodes]
        for node, number in placed:
            needed = sorted(plan.by_id[name] for name in dependencies(node))
            self.nodes[number] = dataclasses.replace(self.nodes[number], dependencies=tuple(needed))
            for other in needed:
                self.nodes[other].dependents.append(number)
        if plan.workflow.HasField("on_failure"):
            handler = self._reserve(names, plan.workflow.on_failure, plan, prefix, None, handles=True)
            self.scopes[plan.number] = dataclasses.replace(plan, handler=handler)
        return plan.number

    def _reserve(
        self,
        names: Names,
        node: Node,
        scope: ScopePlan,
        prefix: str,
        parent: int | None,
        handles: bool = False,
    ) -> int:
        kind = node.WhichOneof("target")
        if kind is None:
            raise GraphError(f"node '{prefix}{node.id}' has no target")
        path, number = prefix + node.id, len(self.nodes)
        task = names.task(node)
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
            dynamic_depth=scope.dynamic_depth + (kind in ("dynamic", "eager")),
            handles=handles,
            after_failure=handles or scope.after_failure,
            mapped=frozenset(node.map.mapped_inputs) if kind == "map" else frozenset(),
            budget=budget_of(task.retry) if task else NO_BUDGET,
            timeout=_seconds(task.timeout) if task and task.HasField("timeout") else None,
            deadline=_seconds(task.deadline) if task and task.HasField("deadline") else None,
            cache=self._cache(task) if kind in ("task", "map") else None,
            reusable=task is not None
            # What runs on failure tells of this run's failure, not of an earlier one's.
            and not (handles or scope.after_failure)
            and self._may_reuse(path, kind),
        )
        self.nodes.append(plan)
        self.by_path[path] = number
        self.launching += (task is not None and kind != "map") or KINDS[kind].is_child
        if parent is None and not handles:
            scope.by_id[node.id] = number
        for child in branch_children(node.branch):
            plan.cases.append(self._reserve(names, child, scope, path + "/", number))
        if kind == "sub_workflow":
            inner, depth = node.sub_workflow.workflow, scope.dynamic_depth
            body = self._add_scope(names, inner, path + "/", number, depth, plan.after_failure)
            self.nodes[number] = dataclasses.replace(plan, body=body)
        return number

    def _may_reuse(self, path: str, kind: str) -> bool:
        """Neither the node nor one around it is to be launched all the same, nor a call that only it can make."""
        if self._reuse is None:
            return False
        if kind == "eager" and any(other.startswith(path + "/") for other in self._excepted):
            return False
        steps = path.split("/")
        return self._excepted.isdisjoint("/".join(steps[: end + 1]) for end in range(len(steps)))

    def _cache(self, task: TaskSpec | None) -> CachePlan | None:
        if task is None or not task.cache.enabled or self.cache_mode == CACHE_MODE_SKIP:
            return None
        overwrite = self.cache_mode == CACHE_MODE_OVERWRITE
        keys = CacheKeys(self.project, self.domain, task)
        return CachePlan(keys, task.cache.version, task.cache.serialize and not overwrite, overwrite)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9
