"""What the engine has to know of each kind of node beside what it does next: one row per kind."""

import dataclasses
import enum


class Gives(enum.Enum):
    """Where a node's outputs come from."""

    NOTHING = "it has none"
    COMMIT = "they are in its commit"
    ITEMS = "lists of what its items committed"
    CASE = "those of the case it took"
    BODY = "those of the workflow in it"


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of node."""

    gives: Gives
    is_child: bool = False
    """Its one item is not launched as a pod: it is a run of its own."""


KINDS = {
    "task": Kind(Gives.COMMIT),
    "map": Kind(Gives.ITEMS),
    "branch": Kind(Gives.CASE),
    "check": Kind(Gives.NOTHING),
    "computed": Kind(Gives.COMMIT),
    "sub_workflow": Kind(Gives.BODY),
    "dynamic": Kind(Gives.BODY),
    "eager": Kind(Gives.COMMIT),
    "gate": Kind(Gives.COMMIT),
    "launch_plan": Kind(Gives.COMMIT, is_child=True),
}
"""By `NodePlan.kind`; what each does next is in `nodes.ADVANCE`."""
