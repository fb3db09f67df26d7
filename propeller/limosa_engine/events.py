"""What the engine is told. Every command is answered by exactly one event, unless its docstring says otherwise."""

import dataclasses
import enum

from limosa_engine.commands import (
    CollectMap,
    CommitCall,
    CommitNode,
    LoadValue,
    ReadCall,
    ReadCommit,
    ReadError,
    ReuseCommit,
)
from limosa_engine.graph import Item
from limosa_engine.phases import RunPhase
from limosa_engine.pods import PodView
from limosa_idl.core.v1alpha1.failure_pb2 import (
    FAILURE_KIND_SYSTEM,
    FAILURE_KIND_USER,
    Failure,
    FailureKind,
)
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit, ErrorRecord, Signal
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure


@dataclasses.dataclass(frozen=True)
class RunStarted:
    """Begin. The first event of a state made by `new_state`.

    Pods of the run may exist (the operator died before its first status): nothing is launched before `PodsListed`.
    """


@dataclasses.dataclass(frozen=True)
class RunRestored:
    """Go on. The first event of a decoded state; `PodObserved` for each existing pod and `PodsListed` follow."""


@dataclasses.dataclass(frozen=True)
class PodsListed:
    """Every pod the run had at the time was observed; launches without one are judged now."""


@dataclasses.dataclass(frozen=True)
class PodObserved:
    """A pod's present state. May repeat, and may skip states in between."""

    item: Item
    launch: int
    view: PodView


@dataclasses.dataclass(frozen=True)
class PodGone:
    """The pod does not exist any more (watch event DELETED, or missing from a list)."""

    item: Item
    launch: int


@dataclasses.dataclass(frozen=True)
class PodCreated:
    """Answers CreatePod: the pod exists, made now or before by the same launch with the same inputs."""

    item: Item
    launch: int
    uid: str


@dataclasses.dataclass(frozen=True)
class PodRejected:
    """Answers CreatePod: there is no pod.

    With `retryable` (quota, 429, 5xx) the same launch is tried again and nothing is counted; else it is the
    launch's failure, of `kind` and `code`.
    """

    item: Item
    launch: int
    code: str
    message: str
    retryable: bool
    retry_after: float | None = None
    """Seconds, where the server said."""
    kind: "FailureKind.ValueType" = FAILURE_KIND_USER


@dataclasses.dataclass(frozen=True)
class PodDeleted:
    """Answers DeletePod: the deletion was accepted (PodGone follows), or with `gone` there was no such pod."""

    item: Item
    launch: int
    gone: bool = False


@dataclasses.dataclass(frozen=True)
class LogKept:
    """Answers KeepLog, whether or not there was a log to keep."""

    item: Item
    launch: int


@dataclasses.dataclass(frozen=True)
class MadeGraph:
    """The graph in the commit of a dynamic node, or in the record of a call, as whoever read it found it."""

    digest: str
    """Of its serialised bytes, "sha256:<hex>"."""
    closure: Closure
    """Empty where it is refused."""
    refusal: Failure | None = None
    """Why none of it may run: `limosa_model.generated`, or the policy for pods."""


@dataclasses.dataclass(frozen=True)
class CommitRead:
    """Answers ReadCommit, ReuseCommit, CollectMap and CommitNode. Outputs that the commit has offloaded are loaded and stand inline."""

    item: Item
    commit: Commit | None
    """None: there is no commit."""
    digest: str = ""
    """Digest of the stored bytes, "sha256:<hex>"."""
    graph: MadeGraph | None = None
    """Of a dynamic node; None where the commit has none."""


@dataclasses.dataclass(frozen=True)
class CallMade:
    """An eager node's attempt says that it made a call, whose record is in the store. May repeat."""

    node_path: str
    call: str


@dataclasses.dataclass(frozen=True)
class CallRead:
    """Answers ReadCall."""

    item: Item
    call: str
    graph: MadeGraph | None
    """None: there is no record."""
    over: bool = False
    """Its outcome is in the store too."""


@dataclasses.dataclass(frozen=True)
class CallCommitted:
    """Answers CommitCall: the outcome is in the store, this one or one that was there."""

    item: Item
    call: str


@dataclasses.dataclass(frozen=True)
class ErrorRead:
    """Answers ReadError."""

    item: Item
    launch: int
    record: ErrorRecord | None
    """None: there is no record."""


@dataclasses.dataclass(frozen=True)
class ValueLoaded:
    """Answers LoadValue; the bytes had the digest that was asked for."""

    uri: str
    literal: Literal


@dataclasses.dataclass(frozen=True)
class StoreFailed:
    """Answers whatever reads the store or commits: it gave no answer, or one that cannot be used."""

    command: (
        ReadCommit | ReuseCommit | ReadError | LoadValue | CollectMap | CommitNode | ReadCall | CommitCall
    )
    code: str
    message: str
    retryable: bool
    """False for corrupt data; everything that may heal is retryable."""
    kind: "FailureKind.ValueType" = FAILURE_KIND_SYSTEM
    """USER where the author's code wrote more than may be read, or somebody deleted the run that it lies in."""


class CacheOutcome(enum.Enum):
    """What the cache says."""

    HIT = "there is a result, and the node item has its commit"
    MISS = "there is none"
    RESERVED = "there is none, and the key is reserved for this item"
    TAKEN = "there is none, and the key is reserved for another"
    UNREACHABLE = "it could not be asked in time"


@dataclasses.dataclass(frozen=True)
class CacheAnswered:
    """Answers LookupCache."""

    item: Item
    outcome: CacheOutcome
    commit: Commit | None = None
    """HIT: the node item's commit, whoever wrote it; offloaded outputs stand inline."""
    detail: str = ""
    """TAKEN: who has the reservation. UNREACHABLE: why."""


@dataclasses.dataclass(frozen=True)
class ChildRunObserved:
    """Answers LaunchChild and AbortChild: how far the child run is. May repeat."""

    item: Item
    phase: RunPhase
    """ABORTED also for a child that was never made and is to be ended."""
    outputs: LiteralMap | None = None
    """When SUCCEEDED: what stands in the node's commit."""
    failure: Failure | None = None
    """When FAILED or ABORTED: what the node fails with; an error record of the launch holds the same."""
    code: str = "ChildRun"
    """While it has not ended: code of the reason why the node waits."""
    detail: str = ""
    """The same for people."""


@dataclasses.dataclass(frozen=True)
class TimerFired:
    """The time of a WakeAt has come. Says only that: what is due is decided by `now`."""


@dataclasses.dataclass(frozen=True)
class SignalReceived:
    """A gate is told something; its turn may not have come. May repeat: the first one for a gate counts."""

    node_path: str
    signal: Signal


@dataclasses.dataclass(frozen=True)
class AbortRequested:
    """The run is to be ended. May repeat."""

    reason: str


Event = (
    RunStarted
    | RunRestored
    | PodsListed
    | PodObserved
    | PodGone
    | PodCreated
    | PodRejected
    | PodDeleted
    | LogKept
    | CommitRead
    | CallMade
    | CallRead
    | CallCommitted
    | ErrorRead
    | ValueLoaded
    | StoreFailed
    | CacheAnswered
    | TimerFired
    | SignalReceived
    | AbortRequested
    | ChildRunObserved
)
