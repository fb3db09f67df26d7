"""The state of a run: owned and changed by `step`, encoded by `codec`.

Runtime-only parts (values, views, stories) are rebuilt from pods and commits after a restart;
`codec` says what is encoded.
"""

from __future__ import annotations

import dataclasses
import enum
import heapq
from collections import deque

from limosa_engine.graph import Item
from limosa_engine.phases import LaunchPhase, NodePhase, RunPhase
from limosa_engine.pods import PodView
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap


@dataclasses.dataclass(slots=True)
class Waiting:
    """Why something waits; the IDL's Reason."""

    code: str
    since: float
    detail: str = ""
    next_at: float | None = None


class Judging(enum.Enum):
    """What a launch's judgement waits for."""

    NO = "not judged yet"
    GRACE = "the pod is gone; its last writes may be under way"
    COMMIT = "the commit is being read"
    ERROR = "the error record is being read"
    LOG = "the pod's log is being stored"


@dataclasses.dataclass(slots=True)
class Launch:
    """The current launch of a node item. Runtime only: rebuilt from the pod."""

    ordinal: int
    launch_id: str
    created_at: float
    phase: LaunchPhase = LaunchPhase.CREATING
    view: PodView | None = None
    waiting: Waiting | None = None
    judging: Judging = Judging.NO
    verdict: Failure | None = None
    """The failure to record unless a commit or error record says otherwise."""
    ending: str = ""
    """Set once the pod's deletion was asked for before it ended: "aborted" or "deadline"."""
    wake_at: float | None = None
    """When to look again: a grace period ends, a failed read is tried again."""
    log_kept: bool = False
    answered: bool = True
    """False while the answer to its CreatePod is out."""


@dataclasses.dataclass(slots=True)
class ItemRecord:
    """One node item of a task or map node."""

    phase: NodePhase = NodePhase.WAITING
    launches: int = 0
    """Launches so far; the next one's ordinal."""
    user_failures: int = 0
    system_failures: int = 0
    wake_at: float | None = None
    """QUEUED or RETRYING: when the next launch may come."""
    launch: Launch | None = None
    failure: Failure | None = None
    """The last one."""
    launch_id: str = ""
    """Whose commit counts, once SUCCEEDED and known."""
    checking: bool = False
    """Its commit is being read before the first launch."""


@dataclasses.dataclass(slots=True)
class NodeRecord:
    """One node of the unfolded graph."""

    pending: int
    """Dependencies that have not succeeded."""
    phase: NodePhase = NodePhase.WAITING
    doomed: bool = False
    """A dependency ended without success: to be SKIPPED."""
    ending: str = ""
    """Its items are being ended: "aborted" or "deadline"."""
    items: list[ItemRecord] = dataclasses.field(default_factory=list)
    """One for a task node, one per index for a map that has expanded, else none."""
    ready: deque[int] = dataclasses.field(default_factory=deque)
    """Items that may be launched; stale entries are possible."""
    live: int = 0
    """Items that hold a slot."""
    open_items: int = 0
    """Items that have not ended."""
    inputs: LiteralMap | None = None
    """Resolved, while the node needs them."""
    failure: Failure | None = None
    waiting: Waiting | None = None
    wants: int = 0
    """Values that are being read for it."""
    queued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None


@dataclasses.dataclass(slots=True)
class ScopeRecord:
    """One instance of a workflow."""

    open_nodes: int
    """Nodes standing in it that have not ended."""
    started: bool = False
    failure: Failure | None = None
    """The first failure of a node in it."""
    ending: str = ""
    """Its nodes are being ended: "aborted" or "failed"."""
    inputs: LiteralMap | None = None


class Timers:
    """A heap of (time, node number, item index or -1). Entries are hints: who is due decides by its own record."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int]] = []

    def add(self, when: float, node: int, index: int = -1) -> None:
        """Remembers a time."""
        heapq.heappush(self._heap, (when, node, index))

    def pop_due(self, now: float) -> tuple[int, int] | None:
        """The next (node, item) whose time has come."""
        if self._heap and self._heap[0][0] <= now:
            return heapq.heappop(self._heap)[1:]
        return None

    @property
    def next_at(self) -> float | None:
        """The earliest time."""
        return self._heap[0][0] if self._heap else None


class State:
    """Everything the engine remembers of a run."""

    def __init__(self, nodes: list[NodeRecord], scopes: list[ScopeRecord], story_length: int, cache_bytes: int) -> None:
        from limosa_engine.values import Values

        self.phase = RunPhase.QUEUED
        self.failure: Failure | None = None
        self.outputs: LiteralMap | None = None
        self.abort_reason = ""
        self.now = 0.0
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.nodes = nodes
        self.scopes = scopes
        self.nodes_done = 0
        self.nodes_skipped = 0
        self.listed = False
        self.restored = False
        self.live = 0
        self.ring: deque[int] = deque()
        self.in_ring: set[int] = set()
        self.dirty: deque[int] = deque()
        self.in_dirty: set[int] = set()
        self.timers = Timers()
        self.wake_at: float | None = None
        self.values = Values(cache_bytes)
        self.unclaimed: dict[Item, tuple[int, PodView]] = {}
        self.deleting: set[tuple[Item, int]] = set()
        self.story: deque[tuple[float, str, int | None, str]] = deque(maxlen=story_length)
