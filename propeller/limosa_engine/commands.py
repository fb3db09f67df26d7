"""What the engine wants done. Each command is idempotent.

`needs_status`: carry it out only after the API server accepted a status that holds the state of this
step or a later one (the crash rule: what cannot be observed again is written before anything rests on it).
"""

import dataclasses
import enum
from typing import ClassVar

from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Signal, Snapshot
from limosa_idl.workflow.v1alpha1.workflow_pb2 import LaunchPlanNode


@dataclasses.dataclass(frozen=True)
class CreatePod:
    """Launch a node item. Answered by PodCreated or PodRejected."""

    item: Item
    launch: int
    """Ordinal, from 0."""
    launch_id: str
    task: str
    """Name of a task of the closure; `Graph.task_of(item)` gives it with the node's overrides applied."""
    inputs: LiteralMap
    input_digest: str
    timeout: float | None
    """Seconds the launch may run; also the pod's `activeDeadlineSeconds`."""
    memory: str = ""
    """Request and limit in place of the task's; empty: as the task says."""
    interruptible: bool = False
    """May run on capacity that can be taken away."""

    after_failure: bool = False
    """It is part of what runs on failure."""

    @property
    def first(self) -> bool:
        """The first launch of its node item."""
        return self.launch == 0

    @property
    def needs_status(self) -> bool:
        """A later launch rests on a counted failure, one on failure on that of others."""
        return self.launch > 0 or self.after_failure


@dataclasses.dataclass(frozen=True)
class DeletePod:
    """Remove a pod, gracefully where it runs. Answered by PodDeleted."""

    item: Item
    launch: int
    reason: str
    """Why: "finished", "failed", "aborted", "deadline", "stale" or "lost": its kubelet does not answer, nothing is waited for."""
    needs_status: ClassVar[bool] = True


@dataclasses.dataclass(frozen=True)
class ReadCommit:
    """Read the commit of a node item. Answered by CommitRead or StoreFailed."""

    item: Item
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class ReuseCommit:
    """Read the commit of a node item; where there is none, take over that of the run that this one resumes.

    The earlier run's stands in where its task and inputs are the same and its data is still there; it becomes the item's
    own commit first. Answered by CommitRead or StoreFailed.
    """

    item: Item
    task: str
    input_digest: str
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class ReadError:
    """Read the error record of a launch. Answered by ErrorRead or StoreFailed."""

    item: Item
    launch: int
    launch_id: str
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class LoadValue:
    """Read an offloaded literal. Answered by ValueLoaded or StoreFailed."""

    uri: str
    digest: str
    """Of the form "sha256:<hex>"; the bytes must have it; empty where unknown."""
    most_bytes: int
    """Where it turns out to be larger, in the store or in memory, it is not read: the answer is StoreFailed of kind USER."""
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class KeepLog:
    """Store the last part of the pod's log: its runtime could not. Answered by LogKept, in any case."""

    item: Item
    launch: int
    launch_id: str
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class CollectMap:
    """Join the outputs of a map's items to one object per output and commit them as the map node's own.

    Where the map node has a commit already, that one counts. Answered by CommitRead or StoreFailed, for `item`.
    """

    item: Item
    """The map node itself: without index."""
    items: int
    missing: tuple[int, ...]
    """Indexes of failed items; each stands as the value none."""
    outputs: tuple[str, ...]
    """Names, of the task's interface."""
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class LookupCache:
    """Ask the cache for a node item's result. Answered by CacheAnswered.

    A result that is there, with its data, becomes the node item's commit first, unless it has one already.
    """

    item: Item
    task: str
    key: str
    """sha256 (hex), see `limosa_model.cache_key`."""
    input_digest: str
    reserve: bool
    """Where there is none: reserve the key for this item."""
    needs_status: ClassVar[bool] = False


class Keep(enum.Enum):
    """What the cache is told about a key."""

    RESULT = "store"
    RENEW = "renew"
    GIVE_UP = "give-up"


@dataclasses.dataclass(frozen=True)
class StoreCache:
    """Tell the cache about a node item. Not answered: of a result a later run makes another, a reservation runs out.

    Telling it twice is the same as once.
    """

    item: Item
    task: str
    key: str
    version: str
    what: Keep
    overwrite: bool = False
    """RESULT: it replaces what is there."""
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class CommitNode:
    """Write the commit of a node that launches nothing, unless there is one.

    Answered by CommitRead (the one that counts) or StoreFailed.
    """

    item: Item
    outputs: LiteralMap
    signal: Signal | None = None
    """Of a gate: what it was told, the value left out; None for a sleep that is over."""
    needs_status: bool = False
    """The end of a sleep rests on when it began."""


@dataclasses.dataclass(frozen=True)
class ReadCall:
    """Read the record of a call that an eager node made. Answered by CallRead or StoreFailed."""

    item: Item
    call: str
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class CommitCall:
    """Write how a call of an eager node ended, unless that is written. Answered by CallCommitted or StoreFailed."""

    item: Item
    call: str
    outputs: LiteralMap | None
    failure: Failure | None
    """Where there are no outputs."""

    @property
    def needs_status(self) -> bool:
        """A failure rests on attempts that were counted."""
        return self.failure is not None


@dataclasses.dataclass(frozen=True)
class LaunchChild:
    """See to it that a child run exists, and tell how far it is.

    Answered by ChildRunObserved, once or more often; the last one says how the child ended.
    """

    item: Item
    child: str
    """Name of the child run."""
    launch_id: str
    """For the commit or error record that is written when the child has ended."""
    plan: LaunchPlanNode
    inputs: LiteralMap
    """Those that are bound; defaults are admin's to add."""
    needs_status: ClassVar[bool] = True


@dataclasses.dataclass(frozen=True)
class AbortChild:
    """End the child run, if it was ever made. Answered by ChildRunObserved once it has ended."""

    item: Item
    child: str
    launch_id: str
    needs_status: ClassVar[bool] = True


@dataclasses.dataclass(frozen=True)
class Publish:
    """Tell admin. Of one key only the latest matters. Not answered.

    The snapshot lacks `epoch` and `seq`; who sends it adds them.
    """

    snapshot: Snapshot
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class WakeAt:
    """Send TimerFired at this time (Unix seconds); replaces the previous WakeAt."""

    when: float
    needs_status: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class Quarantine:
    """The run cannot be gone on with, and its state is to stay as it is for inspection. Not answered; nothing follows."""

    failure: Failure
    needs_status: ClassVar[bool] = False


Command = (
    CreatePod
    | DeletePod
    | ReadCommit
    | ReuseCommit
    | ReadError
    | LoadValue
    | KeepLog
    | CollectMap
    | CommitNode
    | ReadCall
    | CommitCall
    | LookupCache
    | StoreCache
    | LaunchChild
    | AbortChild
    | Publish
    | WakeAt
    | Quarantine
)
