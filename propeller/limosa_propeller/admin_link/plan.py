"""What follows from admin's desired set for the objects of this cluster."""

import dataclasses
from collections.abc import Iterable, Mapping

from limosa_idl.admin.v1alpha1.admin_pb2 import DESIRED_ABORT, DESIRED_FORGET, DesiredRun
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, RunSpec


@dataclasses.dataclass(frozen=True)
class Held:
    """One WorkflowRun of this cluster that admin knows."""

    object_uid: str
    namespace: str
    name: str
    epoch: tuple[int, int]
    desired: str
    """ "RUN" or "ABORT", as the object says."""


@dataclasses.dataclass(frozen=True)
class Create:
    """Make the object."""

    spec: RunSpec
    epoch: Epoch
    abort: bool


@dataclasses.dataclass(frozen=True)
class Abort:
    """Change the object's `desired`."""

    held: Held
    reason: str


@dataclasses.dataclass(frozen=True)
class Forget:
    """Delete the object; its pods follow."""

    held: Held
    run_uid: str


Change = Create | Abort | Forget


def changes(desired: Iterable[DesiredRun], held: Mapping[str, Held]) -> list[Change]:
    """What to do, by admin's answer and what is here (by run uid). Only what admin names is touched."""
    found: list[Change] = []
    for wish in desired:
        have = held.get(wish.run_uid)
        epoch = (wish.epoch.generation, wish.epoch.number)
        if have is None:
            if wish.desired != DESIRED_FORGET and wish.HasField("spec"):
                found.append(Create(wish.spec, wish.epoch, wish.desired == DESIRED_ABORT))
        elif wish.desired == DESIRED_FORGET:
            # Another epoch's FORGET is about another claim only if that one is older than ours.
            if epoch >= have.epoch or epoch == (0, 0):
                found.append(Forget(have, wish.run_uid))
        elif epoch > have.epoch:
            # Claimed anew: the old object goes; the next report lacks the run, so it is sent again, whole.
            found.append(Forget(have, wish.run_uid))
        elif epoch == have.epoch and wish.desired == DESIRED_ABORT and have.desired != "ABORT":
            found.append(Abort(have, wish.abort_reason))
    return found
