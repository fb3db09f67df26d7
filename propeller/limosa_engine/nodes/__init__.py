"""What each kind of node does next: one function per kind, in a table.

Belongs here: one file per node kind, with a function that looks at a node and moves it on as far as it can.
Does not belong here: anything that all kinds share (`items`, `scopes`, `resolve`).
"""

from collections.abc import Callable

from limosa_engine.graph import NodePlan
from limosa_engine.nodes import (
    branch,
    check,
    computed,
    dynamic,
    eager,
    gate,
    launch_plan,
    map_,
    subworkflow,
    task,
)
from limosa_engine.own_commits import Decider
from limosa_engine.state import NodeRecord
from limosa_engine.turn import Turn

ADVANCE: dict[str, Callable[[Turn, NodePlan, NodeRecord], None]] = {
    "task": task.advance,
    "map": map_.advance,
    "branch": branch.advance,
    "check": check.advance,
    "computed": computed.advance,
    "sub_workflow": subworkflow.advance,
    "dynamic": dynamic.advance,
    "eager": eager.advance,
    "gate": gate.advance,
    "launch_plan": launch_plan.advance,
}
"""By `NodePlan.kind`. Called for a node that is ready and not over; to be called again does no harm."""

DECIDERS: dict[str, Decider] = {
    "computed": computed.DECIDER,
    "gate": gate.DECIDER,
}
"""By `NodePlan.kind`, of kinds that launch nothing and have a commit: times, commits and refusals are their own to act on."""
