"""What a local run tells while it runs."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1.run_pb2 import NodePhase
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

if TYPE_CHECKING:
    from limosa.dynamic_tasks import Generated


@dataclasses.dataclass(frozen=True)
class NodeProgress:
    """One node, or one item of a map, changed its phase."""

    path: str
    """Of the node ("n0/n3")."""
    index: int | None
    """Of a map's item."""
    node: Node
    phase: "NodePhase.ValueType"
    attempt: int
    """From 1; 0 where nothing was started."""
    failure: Failure | None = None
    """Present when FAILED or RETRYING."""
    cached_from: str = ""
    """Name of the run whose result it is; empty where it was made now."""
    items: int = 0
    """How many a map has; 0 where that is not known yet, and elsewhere."""
    made: "Generated | None" = None
    """What a dynamic node described, or what a call of an eager task runs: told once, when that is known."""


Report = Callable[[NodeProgress], None]


def ignore(_: NodeProgress) -> None:
    """For whom nobody waits."""
