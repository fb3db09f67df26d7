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
    is_gate: bool = False
    """Its commit is written here, without a launch; times, commits and refusals of its node are its own to act on."""
    is_child: bool = False
    """Its one item is not launched as a pod: it is a run of its own."""


KINDS = {
    "task": Kind(Gives.COMMIT),
    "map": Kind(Gives.ITEMS),
    "branch": Kind(Gives.CASE),
    "check": Kind(Gives.NOTHING),
    "sub_workflow": Kind(Gives.BODY),
    "dynamic": Kind(Gives.BODY),
    "eager": Kind(Gives.COMMIT),
    "gate": Kind(Gives.COMMIT, is_gate=True),
    "launch_plan": Kind(Gives.COMMIT, is_child=True),
}
"""By `NodePlan.kind`; what each does next is in `nodes.ADVANCE`."""
