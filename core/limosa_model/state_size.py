"""How large the encoded state of a run can get, which Kubernetes must hold. Sizes are in bytes, as base64."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node
from limosa_model.failures import Code
from limosa_model.graph import Index, branch_children, scope_nodes
from limosa_model.problems import Problem
from limosa_model.targets import task_name

STATE_LIMIT = 400 * 1024
"""Most bytes of a state that an object is to hold; etcd takes 1.5 MB of all there is in it."""
NODE = 15.5
"""Most bytes of a node: half of a phase, three times of four, a code, two counts."""
ITEM = 11
"""Most bytes of an item: half of a phase, gap, three counters, launches, code, wake time of four."""
RUN = 2048
"""Most bytes of all else: the run's own fields and some dozens of failure codes."""


class Unfolded(NamedTuple):
    """A workflow with its sub-workflows in place."""

    nodes: int
    items: int
    """Nodes that are a single item: those that launch something, maps left aside."""


def unfolded(index: Index, name: str) -> Unfolded:
    """Counts a workflow without unfolding it: a few nested sub-workflows can stand for billions of nodes.

    The workflow must contain what it names, and not itself.
    """
    known: dict[str, Unfolded] = {}

    def count(workflow: str) -> Unfolded:
        if workflow not in known:
            known[workflow] = total(scope_nodes(index.workflow(workflow)))
        return known[workflow]

    def total(nodes: Iterable[Node]) -> Unfolded:
        counted = [of_node(node) for node in nodes]
        return Unfolded(sum(one.nodes for one in counted), sum(one.items for one in counted))

    def of_node(node: Node) -> Unfolded:
        kind = node.WhichOneof("target")
        single = kind == "launch_plan" or (kind != "map" and bool(task_name(node)))
        if kind == "sub_workflow":
            inside = count(node.sub_workflow.workflow)
        else:
            inside = total(branch_children(node.branch))
        return Unfolded(1 + inside.nodes, single + inside.items)

    return count(name)


def state_size(found: Unfolded, more: float = 0) -> int:
    """Most bytes that a state can take before any map expands; `more` bytes are added to it."""
    return as_base64(RUN + found.nodes * NODE + found.items * ITEM + more)


def as_base64(size: float) -> int:
    """Bytes that so many take when encoded."""
    return math.ceil(size / 3) * 4


def too_large(nodes: int, size: int, limit: int = STATE_LIMIT) -> str:
    """Why a workflow of so many nodes cannot run; empty when it can."""
    if size <= limit:
        return ""
    return (
        f"the workflow unfolds to {nodes:,} nodes: its state may take {size:,} bytes, more than "
        f"the {limit:,} that Kubernetes can hold"
    )


REMEDY = "use maps for repeated work, or split it"


def size_problems(closure: Closure) -> list[Problem]:
    """Why the state of a run of a valid closure could not be kept; empty when it can."""
    found = unfolded(Index(closure), closure.entry)
    why = too_large(found.nodes, state_size(found))
    return [Problem(Code.STATE_TOO_LARGE, f"workflow {closure.entry}", why, REMEDY)] if why else []
