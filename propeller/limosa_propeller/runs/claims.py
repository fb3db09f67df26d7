"""Who a WorkflowRun object belongs to, readable even where the rest of it is not."""

import dataclasses
import enum
from typing import Any

from limosa_idl.run.v1alpha1.run_pb2 import Epoch
from limosa_model.failures import Code
from limosa_model.manifest import desired_of, is_local
from limosa_propeller.runs.status import is_sealed


class Standing(enum.Enum):
    """Whether an object is what it says it is."""

    SURE = "sure"
    """Applied by hand and says so, or made for admin."""
    ASKED = "asked"
    """Says that it is a run of admin's, as copies of such objects do; admin has not confirmed it yet."""
    FOREIGN = "foreign"
    """Said so and is not."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """The run an object stands for, and under which epoch."""

    run_uid: str
    epoch: tuple[int, int]
    """Generation, number; comparable."""
    local: bool
    """Applied by hand: admin is not told of it."""
    desired: str
    abort_reason: str
    child: bool = False
    """Another run waits for it, which has room of its own: it takes none of the cluster's slots."""

    def to_epoch(self) -> Epoch:
        """The epoch as a message."""
        return Epoch(generation=self.epoch[0], number=self.epoch[1])


def claim_of(manifest: dict[str, Any]) -> Claim:
    """Reads the claim; what is malformed counts as absent."""
    spec = manifest.get("spec") or {}
    epoch = spec.get("epoch") or {}
    return Claim(
        run_uid=str(spec.get("uid") or manifest["metadata"]["uid"]),
        epoch=(_count(epoch.get("generation")), _count(epoch.get("number"))),
        local=is_local(manifest),
        desired=desired_of(manifest),
        abort_reason=str(spec.get("abortReason") or "aborted through its WorkflowRun"),
        child=bool(spec.get("parent")),
    )


def is_accepted(manifest: dict[str, Any]) -> bool:
    """Whether an operator has written the status of this very object: copies come without one, or with another's uid."""
    status = manifest.get("status") or {}
    return status.get("observedUid") == manifest["metadata"]["uid"] and is_sealed(status)


def standing_of(manifest: dict[str, Any]) -> Standing:
    """What can be told of an object without asking admin: runs go on while it is away."""
    if is_local(manifest):
        return Standing.SURE
    if not is_accepted(manifest):
        return Standing.ASKED
    code = (manifest["status"].get("failure") or {}).get("code")
    return Standing.FOREIGN if code == Code.FOREIGN_RUN else Standing.SURE


def held_from_deletion(manifest: dict[str, Any]) -> str:
    """Why an object that is being deleted is still there; empty where nobody holds it, or only Kubernetes itself."""
    metadata = manifest["metadata"]
    finalizers = [name for name in metadata.get("finalizers") or () if "/" in name]
    if not metadata.get("deletionTimestamp") or not finalizers:
        return ""
    return f"its WorkflowRun is being deleted and held by finalizer {', '.join(finalizers)}"


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
