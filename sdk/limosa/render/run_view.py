"""A run as it is known so far: its graph joined with the latest snapshots."""

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from limosa.render.remedies import gate_remedy, store_command
from limosa_idl.admin.v1alpha1.admin_pb2 import Run, RunUpdate
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node
from limosa_model.failures import Code
from limosa_model.graph import ON_FAILURE, Index, closure_around, find_node, inside, scope_nodes, unmet
from limosa_model.made_graphs import made_graphs
from limosa_model.moments import moment_of
from limosa_model.targets import python_part

TERMINAL_RUN_PHASES = frozenset({pb.RUN_PHASE_SUCCEEDED, pb.RUN_PHASE_FAILED, pb.RUN_PHASE_ABORTED})
ORIGIN_WORDS = {pb.ORIGIN_CACHE: "cached", pb.ORIGIN_REUSE: "reused"}
"""How a result came without a launch, in a word."""
_WAITING = frozenset({pb.NODE_PHASE_QUEUED, pb.NODE_PHASE_RUNNING, pb.NODE_PHASE_RETRYING})

_LABEL = re.compile(r"[.\[]")
"""Ends a node's id in what a condition calls a value of it: "n2.score", "n2[0]"."""
_UNBORN = frozenset({pb.LAUNCH_PHASE_CREATING, pb.LAUNCH_PHASE_PENDING})
_LIVE = _UNBORN | {pb.LAUNCH_PHASE_RUNNING}


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the tree."""

    depth: int
    path: str
    name: str
    phase: "pb.NodePhase.ValueType"
    seconds: float | None
    """From the first launch to the end, or to now; None before it began."""
    note: str
    """Counters of a map, and attempts."""
    wait: str = ""
    """What it waits for; empty where it does not wait."""
    waiting_seconds: float = 0.0
    """How long it has waited for that."""
    reason: str = ""
    """Code of that."""
    remedy: str = ""
    """What a person can do about it; empty where the reason's own remedy is all there is."""
    secrets: Sequence[str] = ()
    """The commands that store the secrets its task reads."""


class Attempt(NamedTuple):
    """One launch of a node item."""

    item: int | None
    """Index of a map's item."""
    ordinal: int
    """From 0."""
    state: pb.LaunchState


class RunView:
    """Joins the updates of one run, in the order they came."""

    def __init__(self) -> None:
        self.run = Run()
        self._closure = Closure()
        self._index: Index | None = None
        self._nodes: dict[str, pb.NodeState] = {}
        self._known_graphs: dict[str, Closure] | None = None
        self._taken_items: dict[str, dict[str, set[int]]] = {}
        """Items of maps that were not launched: by the map's path and how they came, in a word."""
        self._items: dict[tuple[str, int], pb.NodeState] = {}
        self._versions: dict[bytes, tuple[int, int, int]] = {}
        self._launches: dict[tuple[str, int | None, int], pb.LaunchState] = {}

    def apply(self, update: RunUpdate) -> None:
        """Takes one update; older snapshots than the known ones are dropped."""
        if update.HasField("run"):
            self.run.CopyFrom(update.run)
        if update.HasField("closure") and update.closure.workflows:
            self._closure.CopyFrom(update.closure)
            self._index = Index(self._closure)
        for snapshot in update.snapshots:
            self._apply_snapshot(snapshot)

    def _apply_snapshot(self, snapshot: pb.Snapshot) -> None:
        key = snapshot.key
        name = key.SerializeToString(deterministic=True)
        version = (snapshot.epoch.generation, snapshot.epoch.number, snapshot.seq)
        if self._versions.get(name, (-1, -1, -1)) >= version:
            return
        self._versions[name] = version
        index = key.index if key.HasField("index") else None
        state = snapshot.WhichOneof("state")
        if state == "node" and index is None:
            self._nodes[key.node_path] = snapshot.node
            if snapshot.node.HasField("graph") or snapshot.node.HasField("call"):
                self._known_graphs = None
        elif state == "node" and index is not None:
            self._items[key.node_path, index] = snapshot.node
            if snapshot.node.origin:
                word = ORIGIN_WORDS[snapshot.node.origin]
                self._taken_items.setdefault(key.node_path, {}).setdefault(word, set()).add(index)
        elif state == "launch":
            self._launches[key.node_path, index, key.launch] = snapshot.launch
        elif state == "run":
            self.run.state.CopyFrom(snapshot.run)

    @property
    def _made(self) -> dict[str, Closure]:
        """What lies below dynamic and eager nodes, by path."""
        if self._known_graphs is None:
            self._known_graphs = made_graphs(self._nodes.items())
        return self._known_graphs

    @property
    def phase(self) -> "pb.RunPhase.ValueType":
        """Phase of the run."""
        return self.run.state.phase

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self.phase in TERMINAL_RUN_PHASES

    @property
    def failure(self) -> Failure | None:
        """Why the run failed, where it did."""
        return self.run.state.failure if self.run.state.HasField("failure") else None

    @property
    def cause(self) -> Failure | None:
        """The failure that ended the run; of a call of an eager task, that of what was called, where it is known."""
        failure = self.failure
        if failure is None or not failure.HasField("cause"):
            return failure
        path, index = failure.cause.node_path, failure.cause.index
        state = self.item(path, index) if failure.cause.HasField("index") else self.node(path)
        return state.failure if state is not None and state.HasField("failure") else failure

    def seconds(self, now: dt.datetime) -> float | None:
        """How long the run took, or has taken so far; None before it began."""
        return span(self.run.state, now)

    def waiting(self, now: dt.datetime) -> tuple[pb.Reason, float] | None:
        """Why nothing happens to the run as a whole, and for how many seconds; None where it goes on or has ended."""
        reason = self.run.state.reason
        if self.finished or not reason.code:
            return None
        since = moment_of(reason.since) if reason.HasField("since") else now
        return reason, max(0.0, (now - since).total_seconds())

    def node(self, path: str) -> pb.NodeState | None:
        """Latest state of a node."""
        return self._nodes.get(path)

    def name(self, path: str) -> str:
        """What the author calls a node; its path where the graph is not known."""
        node = self._spec(path)
        return (node.display_name or node.id) if node is not None else path

    def operand(self, path: str, label: str) -> str:
        """An input of a node; of a condition's, which are called by the nodes that they come from, with such a node's name."""
        if self._nodes.get(path, pb.NodeState()).kind not in ("branch", "check"):
            return label
        source = f"{path.rpartition('/')[0]}/{_LABEL.split(label)[0]}".removeprefix("/")
        return f"{label} {self.name(source)}" if self._spec(source) is not None else label

    def unmet(self, path: str) -> str:
        """Why a map that tolerates failed items has failed all the same; else empty."""
        node, state = self._spec(path), self.node(path)
        if node is None or state is None or state.phase != pb.NODE_PHASE_FAILED:
            return ""
        return unmet(node.map, state.items, state.items_failed)

    def _spec(self, path: str) -> Node | None:
        """A node as it was written; None where the graph is not known."""
        if self._index is None:
            return None
        closure, inner = self._closure, path
        while inner and find_node(closure, inner) is None:
            # Inside the innermost dynamic node around it, whose graph has names of its own.
            around = max((one for one in self._made if path.startswith(f"{one}/")), key=len, default="")
            if not around or closure is self._made[around]:
                return None
            closure, inner = self._made[around], path[len(around) + 1 :]
        return find_node(closure, inner)

    def item(self, path: str, index: int) -> pb.NodeState | None:
        """Latest state of an item of a map."""
        return self._items.get((path, index))

    def attempts(self, path: str, index: int | None = None) -> list[Attempt]:
        """The launches of a node, in order; of a map those of all items, or of one."""
        found = [
            Attempt(item, ordinal, state)
            for (node, item, ordinal), state in self._launches.items()
            if node == path and index in (None, item)
        ]
        return sorted(found, key=lambda one: (-1 if one.item is None else one.item, one.ordinal))

    def launches(self, path: str, index: int | None = None) -> int:
        """How often a node, an item of a map, or all items of a map together were launched."""
        state = self.node(path) if index is None else self.item(path, index)
        own = state.launches if state is not None else 0
        if index is None:
            own = max(own, sum(item.launches for (node, _), item in self._items.items() if node == path))
        return max(own, len(self.attempts(path, index)))

    def taken(self, path: str) -> list[str]:
        """Of a map's items, how many came without a launch ("3 cached"), each way by itself."""
        found = self._taken_items.get(path, {})
        return [f"{len(found[word])} {word}" for word in sorted(found)]

    def retried(self) -> Iterator[tuple[str, Attempt, pb.NodeState]]:
        """Attempts that failed and have, or will have, another one after them; with their node's path and its item's state."""
        for (path, index, ordinal), launch in sorted(
            self._launches.items(), key=lambda one: (one[0][0], one[0][2], one[0][1] or 0)
        ):
            state = self.node(path) if index is None else self.item(path, index)
            if launch.phase != pb.LAUNCH_PHASE_FAILED or state is None:
                continue
            if (
                state.phase in (pb.NODE_PHASE_RETRYING, pb.NODE_PHASE_SUCCEEDED)
                or state.launches > ordinal + 1
            ):
                yield path, Attempt(index, ordinal, launch), state

    def retries(self, path: str) -> int:
        """Retries a node's task allows."""
        task = self._task_of(path)
        return task.retry.retries if task is not None else 0

    def secrets(self, path: str) -> list[str]:
        """The commands that store the secrets that a node's task reads, in the run's project and domain."""
        task, run = self._task_of(path), self.run
        secrets = () if task is None else task.secrets
        return [store_command(secret.name, secret.key, run.project, run.domain) for secret in secrets]

    def written_at(self, path: str) -> str:
        """File and line of a node's task; empty where they are not known."""
        task = self._task_of(path)
        return f"{task.source.file}:{task.source.line}" if task is not None and task.source.file else ""

    def is_python(self, path: str) -> bool:
        """Whether a node runs a Python function of the author's."""
        task = self._task_of(path)
        return task is not None and python_part(task) is not None

    def is_map(self, path: str) -> bool:
        """Whether a node is a map."""
        state = self.node(path)
        return state is not None and (state.kind == "map" or state.items > 0)

    def may_have_logs(self, path: str, index: int | None = None) -> bool:
        """Whether a node or item may have printed something: it runs a task, and a launch of it began where they are known."""
        state = self.node(path)
        if state is not None and state.kind not in ("", "task", "map", "dynamic", "eager"):
            return False
        attempts = self.attempts(path, index)
        return not attempts or any(one.state.HasField("started_at") for one in attempts)

    def rows(self, now: dt.datetime) -> list[Row]:
        """The tree, in the order of the author's code; children of branches only where taken."""
        if self._index is None:
            return []
        return list(self._rows(self._index, scope_nodes(self._index.entry), "", 0, now))

    def _rows(
        self, index: Index, nodes: Iterable[Node], prefix: str, depth: int, now: dt.datetime
    ) -> Iterator[Row]:
        for node in nodes:
            path = f"{prefix}{node.id}"
            state = self._nodes.get(path, pb.NodeState(phase=pb.NODE_PHASE_WAITING))
            if node.id == ON_FAILURE and state.phase in (pb.NODE_PHASE_WAITING, pb.NODE_PHASE_SKIPPED):
                continue
            yield self._row(node, path, depth, state, now)
            inner, below = inside(index, node, self._made.get(path))
            children = list(below)
            if node.WhichOneof("target") == "branch":
                children = [child for child in children if child.id == state.branch_taken]
            if state.phase not in (pb.NODE_PHASE_WAITING, pb.NODE_PHASE_SKIPPED):
                yield from self._rows(inner, children, path + "/", depth + 1, now)

    def _row(self, node: Node, path: str, depth: int, state: pb.NodeState, now: dt.datetime) -> Row:
        parts = []
        if node.WhichOneof("target") == "map" and state.items:
            parts.append(f"{state.items_succeeded}/{state.items} items")
            parts += self.taken(path)
            if state.items_failed:
                parts.append(f"{state.items_failed} failed")
        if state.origin:
            word = ORIGIN_WORDS[state.origin]
            parts.append(f"{word}, from {state.origin_run}" if state.origin_run else word)
        if state.child_run:
            parts.append(f"run {state.child_run}")
        if state.launches > 1:
            parts.append(f"attempt {state.launches}")
        for_room = self.items_for_room(path)
        if for_room:
            parts.append(f"{for_room} waiting for room")
        row = Row(depth, path, node.display_name or node.id, state.phase, span(state, now), ", ".join(parts))
        reason = self.reason(path)
        if reason is None or for_room:
            return row
        seconds = (now - moment_of(reason.since)).total_seconds() if reason.HasField("since") else 0.0
        wait = f"{reason.code}: {reason.detail}" if reason.detail else reason.code
        remedy = "" if self.finished else gate_remedy(self.run.name, path, node)
        return dataclasses.replace(
            row,
            wait=wait,
            waiting_seconds=seconds,
            reason=reason.code,
            remedy=remedy,
            secrets=self.secrets(path),
        )

    def reason(self, path: str, index: int | None = None) -> pb.Reason | None:
        """What a node, or an item of a map, waits for; None where it does not wait."""
        state = self.node(path) if index is None else self.item(path, index)
        if state is None or state.phase not in _WAITING:
            return None
        if state.reason.code:
            return state.reason
        reasons = (one.state.reason for one in self.attempts(path, index) if one.state.phase in _UNBORN)
        return next((reason for reason in reasons if reason.code), None)

    def items_for_room(self, path: str) -> int:
        """Items of a map that wait for room in the cluster while others of it have some: nothing is wrong with those."""
        state = self.node(path)
        if state is None or not state.items or state.phase not in _WAITING:
            return 0
        live = [one.state for one in self.attempts(path) if one.state.phase in _LIVE]
        waiting = sum(one.reason.code == Code.UNSCHEDULABLE for one in live)
        return waiting if waiting < len(live) else 0

    def _task_of(self, path: str) -> TaskSpec | None:
        state = self._nodes.get(path)
        if self._index is None or state is None:
            return None
        index = Index(closure_around(self._closure, path, self._made))
        return index.task(state.target) if index.has_task(state.target) else None


def span(state: pb.RunState | pb.NodeState | pb.LaunchState, now: dt.datetime) -> float | None:
    """Seconds from the beginning to the end, or to now; None before it began."""
    if not state.HasField("started_at"):
        return None
    begin = moment_of(state.started_at)
    if isinstance(state, pb.LaunchState) and state.HasField("created_at"):
        # Kubernetes has whole seconds only; no pod starts before it is made.
        begin = max(begin, moment_of(state.created_at))
    end = moment_of(state.finished_at) if state.HasField("finished_at") else now
    return max(0.0, (end - begin).total_seconds())
