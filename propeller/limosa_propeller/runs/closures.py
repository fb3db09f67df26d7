"""Closures that runs were opened with lately: a thousand runs of one workflow read, check and unfold it once."""

import asyncio
import dataclasses
import functools
from collections import OrderedDict
from weakref import WeakValueDictionary

from limosa_engine.graph import Graph
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node
from limosa_model.admission import validate_closure
from limosa_model.gates import gates_with_signals
from limosa_model.generated import nodes_with_tasks, place_of
from limosa_model.problems import Problem

MOST_CLOSURES = 64
MOST_BYTES = 64 * 1024 * 1024
"""Of all that are kept, as they are serialised."""


@dataclasses.dataclass(frozen=True)
class CheckedClosure:
    """A closure and what follows from it alone. Runs share it: nobody changes it."""

    closure: Closure
    problems: tuple[Problem, ...]
    """Everything that is wrong with it."""
    length: int
    """Bytes, serialised."""
    graphs: dict[int, Graph] = dataclasses.field(default_factory=dict)
    """Graphs that have not grown and never do, by the cache mode they were unfolded for; runs get graphs like them."""

    @functools.cached_property
    def needs_admin(self) -> str:
        """Why it cannot be part of a run that no admin knows; empty when it can."""
        return needs_admin(self.closure)

    @functools.cached_property
    def shaped(self) -> tuple[tuple[Node, TaskSpec], ...]:
        """Nodes whose tasks shape their pods themselves, so that these may ask for too much."""
        return tuple(
            (node, task)
            for node, task in nodes_with_tasks(self.closure)
            if task.pod_template or task.pod_template_name or task.secrets or task.annotations
        )

    @classmethod
    def of(cls, data: bytes) -> "CheckedClosure":
        """Reads and checks it. Raises DecodeError."""
        closure = Closure.FromString(data)
        return cls(closure, tuple(validate_closure(closure)), len(data))


class Closures:
    """The closures that were used last, by project, domain and digest: what one tenant has, another may not name."""

    def __init__(self, most: int = MOST_CLOSURES, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._known: OrderedDict[tuple[str, str, str], CheckedClosure] = OrderedDict()
        self._bytes = 0
        self._turns: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()

    def turn(self, project: str, domain: str, digest: str) -> asyncio.Lock:
        """To be entered while a closure that is not kept is read: the others wait for that, and find it kept."""
        return self._turns.setdefault((project, domain, digest), asyncio.Lock())

    def get(self, project: str, domain: str, digest: str) -> CheckedClosure | None:
        """A closure that is kept; None for one that has to be read."""
        found = self._known.get((project, domain, digest))
        if found is not None:
            self._known.move_to_end((project, domain, digest))
        return found

    def keep(self, project: str, domain: str, digest: str, checked: CheckedClosure) -> None:
        """Keeps a closure whose digest was compared, in place of those that were used longest ago."""
        key = project, domain, digest
        known = self._known.pop(key, None)
        self._known[key] = checked
        self._bytes += checked.length - (0 if known is None else known.length)
        while len(self._known) > self._most or (self._bytes > self._most_bytes and len(self._known) > 1):
            self._bytes -= self._known.popitem(last=False)[1].length


def needs_admin(closure: Closure) -> str:
    """Why a graph cannot be part of a run that no admin knows; empty when it can."""
    for node in gates_with_signals(closure):
        return (
            f"gate {place_of(node)} waits for a signal, and signals reach a run through admin only: "
            "submit the workflow with `limosa run --remote`, or use a sleep"
        )
    for task in closure.tasks:
        if task.WhichOneof("target") == "eager":
            return (
                f"task {task.name} is an eager one, and what it calls reaches a run through admin only: "
                "submit the workflow with `limosa run --remote`, or use @dynamic"
            )
    return ""
