"""The state of a run: owned and changed by `step`, encoded by `codec`.

What `codec` does not encode (views, values, stories, heaps) is rebuilt from pods and commits after a restart.
"""

import dataclasses
import enum
from collections import Counter, deque
from collections.abc import Mapping

from limosa_engine.commands import Command
from limosa_engine.events import MadeGraph
from limosa_engine.graph import Graph, Item, NodePlan
from limosa_engine.phases import LaunchPhase, NodePhase, RunPhase
from limosa_engine.pods import PodView
from limosa_engine.regrowth import Regrowth
from limosa_engine.ring import Ring
from limosa_engine.room import Room
from limosa_engine.timers import Timers
from limosa_engine.values import Inputs, Values
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Origin, Signal

RUN_NODE = -1
"""Stands for the run itself where a node number is expected; numbers below it for the calls of eager nodes (`scopes.call_waiter`)."""
CallKey = tuple[int, str]
"""Number of an eager node, id of a call of its."""


class Ending(enum.Enum):
    """Why what runs is being ended; the value is the reason its pods are deleted for."""

    ABORT = "aborted"
    DEADLINE = "deadline"


class Judging(enum.Enum):
    """What a launch's judgement waits for."""

    NO = "not judged yet"
    GRACE = "the pod is gone; its last writes may be under way"
    COMMIT = "the commit is being read"
    ERROR = "the error record is being read"
    LOG = "the pod's log is being stored"


@dataclasses.dataclass(slots=True)
class Waiting:
    """Why something waits; the IDL's Reason. Times are Unix seconds."""

    code: str
    since: float
    detail: str = ""
    next_at: float | None = None


@dataclasses.dataclass(slots=True)
class Launch:
    """The current launch of a node item."""

    ordinal: int
    launch_id: str
    created_at: float | None
    """None after a restart."""
    phase: LaunchPhase = LaunchPhase.CREATING
    view: PodView | None = None
    waiting: Waiting | None = None
    judging: Judging = Judging.NO
    verdict: Failure | None = None
    """The failure to record unless a commit (or, for a draft, an error record) says otherwise."""
    ending: Ending | None = None
    """Its pod's deletion was decided before it ended."""
    wake_at: float | None = None
    """When to look again: a grace period ends, a failed read is tried again."""
    answered: bool = False
    """Its CreatePod was answered, or its pod was seen."""
    deleted: bool = False
    """The deletion of its pod was asked for while it ran."""
    gone: bool = False
    """The pod does not exist any more."""
    lost: bool = False
    """The pod should have ended and did not: nobody may be there to end it."""
    unseen: bool = False
    """Restored from a state in which no pod of it had been seen."""
    failure: Failure | None = None
    """Of a launch that FAILED."""
    finished_at: float | None = None
    memory: str = ""
    """In place of what the task says, after attempts that ran out of it; empty: as the task says."""
    interruptible: bool = False
    """May run on capacity that can be taken away."""

    @property
    def has_run(self) -> bool:
        """Whether its container is known to have started."""
        view = self.view
        seen = view is not None and (view.started_at is not None or view.exit_code is not None)
        return seen or self.phase is LaunchPhase.RUNNING


class Asked(enum.Enum):
    """How far an item's look-up in the cache is."""

    OUT = "the question is out"
    MISS = "there is no result: it is to be launched"
    RESERVED = "likewise, and others wait for what it makes"
    TAKEN = "another makes it: to be asked again"


@dataclasses.dataclass(slots=True)
class Lookup:
    """What is known of an item in the cache; only items of cached tasks have one."""

    key: str
    asked: Asked
    times: int = 0
    """How often the answer was to ask again."""
    renew_at: float | None = None
    """RESERVED: when the reservation is renewed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Whose result an item took instead of being launched."""

    origin: "Origin.ValueType"
    run: str
    """Name of that run; empty where it is not known any more."""


class Check(enum.Enum):
    """Whether an item's commit was asked for before its first launch."""

    NO = "not asked"
    OUT = "asked; the item holds a slot"
    DONE = "answered"


@dataclasses.dataclass(slots=True)
class ItemRecord:
    """One node item of a task or map node."""

    phase: NodePhase = NodePhase.QUEUED
    launches: int = 0
    """Launches so far; the next one's ordinal."""
    user_failures: int = 0
    system_failures: int = 0
    shortages: int = 0
    """Failures of kind USER for lack of memory."""
    wake_at: float | None = None
    """QUEUED or RETRYING: when the next launch may come."""
    launch: Launch | None = None
    failure: Failure | None = None
    """The last one."""
    committed_by: int | str | None = None
    """Once SUCCEEDED and known: the launch whose commit counts, by ordinal, or by its id where it is another claim's."""
    check: Check = Check.NO
    waiting: Waiting | None = None
    lookup: Lookup | None = None
    source: Source | None = None
    """None where a launch of this run made the result."""
    refused: Waiting | None = None
    """Why its pod was refused, each time since then."""
    started_at: float | None = None
    """When its first launch was made, and when it ended; not encoded: None after a restart."""
    finished_at: float | None = None


class Asking(enum.Enum):
    """Which answer of the store a node that has its own commit waits for."""

    NOTHING = "none"
    BEFORE = "whether it has a commit already, before it waits"
    LATE = "whether it has a commit after all, now that its time is over"
    COMMITTED = "which commit counts, its own or one that was there"


@dataclasses.dataclass(slots=True)
class OwnCommit:
    """What is known of the commit of a gate that is open, or of a computed node whose turn has come.

    Not encoded: signals come again, times follow from when the node was ready, what was computed is computed again.
    """

    asking: Asking = Asking.NOTHING
    signal: Signal | None = None
    """The answer that is being committed."""
    unread: bool = False
    """Another claim came before: its commit is to be read before it waits."""
    again_at: float | None = None
    """When the store is asked again after it gave no answer."""


@dataclasses.dataclass(slots=True)
class NodeRecord:
    """One node of the unfolded graph."""

    pending: int
    """Dependencies that have not succeeded."""
    phase: NodePhase = NodePhase.WAITING
    active: bool = True
    """False for a case of a branch until it is taken, and for an on-failure node until its scope has failed."""
    doomed: bool = False
    """A dependency ended without success: to be SKIPPED."""
    ending: Ending | None = None
    items: list[ItemRecord] = dataclasses.field(default_factory=list)
    """One for a task node that is ready, one per index for a map that has expanded, else none."""
    ready: deque[int] = dataclasses.field(default_factory=deque)
    """Positions of items that may be launched; entries may be out of date."""
    unasked: deque[int] = dataclasses.field(default_factory=deque)
    """Positions of items to be looked up in the cache before they are launched; entries may be out of date."""
    digests: Mapping[str, str] | None = None
    """Of the inputs that all items share, for cache keys."""
    live: int = 0
    """Items that hold a slot."""
    room: Room | None = None
    """What is known of a quota's room for items of this map; None: nothing."""
    succeeded: int = 0
    failed: int = 0
    aborted: int = 0
    """Items that ended so."""
    inputs: Inputs | None = None
    """Resolved, while items may need them."""
    failure: Failure | None = None
    waiting: Waiting | None = None
    queued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None

    def is_hopeless(self, plan: NodePlan) -> bool:
        """So many items did not succeed that the node cannot any more."""
        count = len(self.items)
        return count - self.failed - self.aborted < (plan.needed(count) if plan.is_map else count)

    @property
    def open_items(self) -> int:
        """Items that have not ended."""
        return len(self.items) - self.succeeded - self.failed - self.aborted


class Outcome(enum.Enum):
    """How far the outcome of an eager node's call is."""

    OPEN = "the call is not over"
    WRITING = "it is being written"
    WRITTEN = "it is in the store"


@dataclasses.dataclass(slots=True)
class ScopeRecord:
    """One instance of a workflow."""

    open_nodes: int
    """Nodes standing in it that have not ended."""
    started: bool = False
    aborted: int = 0
    """Nodes standing in it that were ended before their time."""
    failure: Failure | None = None
    """The first failure of a node in it."""
    ending: bool = False
    """Its nodes are being ended."""
    inputs: Inputs | None = None
    outcome: Outcome = Outcome.OPEN
    """Calls of eager nodes. Not encoded: it is read with the call's record."""


@dataclasses.dataclass(frozen=True)
class Growth:
    """The graph of a dynamic node, or of a call of an eager one, known and part of the run's."""

    owner: int
    """Number of the dynamic or eager node."""
    digest: bytes
    """`short_digest` of the serialised graph."""
    nodes: int
    """How many nodes it brought."""
    call: str = ""
    """Id of the call."""


@dataclasses.dataclass
class Questions:
    """What the cache is asked. Not encoded: a question that is asked again has the same answer."""

    waiting: deque[int] = dataclasses.field(default_factory=deque)
    """Nodes with items to look up, served in turn."""
    in_waiting: set[int] = dataclasses.field(default_factory=set)
    out: int = 0
    """Questions without an answer."""
    out_again: int = 0
    """Of these, those whose last answer was to ask again: a run with no others only waits."""
    keyless: dict[int, list[int]] = dataclasses.field(default_factory=dict)
    """After a restart: nodes whose items' keys are wanted, with the positions of those that succeeded meanwhile."""


@dataclasses.dataclass
class Eager:
    """What is remembered of eager nodes beyond their records. Not encoded: all of it comes again."""

    live: Counter[int] = dataclasses.field(default_factory=Counter)
    """Those that are launched, by their depth: they wait for others, so they have slots of their own."""
    ring: Ring = dataclasses.field(default_factory=Ring)
    """Those to launch."""
    heard: dict[CallKey, bool] = dataclasses.field(default_factory=dict)
    """Calls that were heard of; true once their record was read."""
    retries: deque[tuple[float, Command]] = dataclasses.field(default_factory=deque)
    """Reads and writes of calls to be tried again, in order of time."""


class State:
    """Everything the engine remembers of a run. Made by `new_state` or `codec.decode`."""

    def __init__(self, graph: Graph, now: float) -> None:
        settings = graph.settings
        self.phase = RunPhase.QUEUED
        self.failure: Failure | None = None
        """Set when FAILED; also the first failure while FAILING."""
        self.outputs: LiteralMap | None = None
        """Set when SUCCEEDED."""
        self.abort_reason = ""
        self.now = now
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.nodes: list[NodeRecord] = []
        self.scopes: list[ScopeRecord] = []
        self.growths: list[Growth] = []
        """Graphs of dynamic nodes, and calls of eager ones, that the run's was grown by, in that order."""
        self.made_graphs: dict[int, MadeGraph] = {}
        """Graphs read within this step, by dynamic node."""
        self.regrowth: Regrowth | None = None
        """After a restart, until the graphs in `growths` are read again."""
        self.follow(graph)
        self.nodes_done = 0
        """Nodes SUCCEEDED."""
        self.nodes_skipped = 0
        self.items = 0
        """Items of all maps that have expanded."""
        self.items_succeeded = 0
        """Of these."""
        self.parked = False
        """Nothing can be launched before something outside happens; see `parking`."""
        self.listed = False
        """Every pod that existed at the start has been observed; nothing is launched before."""
        self.live = 0
        """Items that hold one of the run's slots, eager nodes left aside."""
        self.ring = Ring()
        """Nodes with items to launch, eager nodes left aside."""
        self.room = Room()
        """What is known of the cluster's, for these."""
        self.eager = Eager()
        self.cache = Questions()
        self.dirty: deque[int] = deque()
        """Nodes to look at before the step ends."""
        self.in_dirty: set[int] = set()
        self.timers = Timers()
        self.values = Values(settings.value_cache_bytes)
        self.own_commits: dict[int, OwnCommit] = {}
        """By node, for those that launch nothing and have a commit."""
        self.own_asked: set[int] = set()
        """Those of them that wait for an answer of the store."""
        self.signals: dict[int, Signal] = {}
        """What gates were told, perhaps before their turn, by node."""
        self.unclaimed: dict[Item, tuple[int, PodView]] = {}
        """Pods of launches that the state does not know yet, by item: ordinal and view."""
        self.deleting: set[tuple[Item, int]] = set()
        """Pods whose deletion was asked for and not answered."""
        self.refreshing: set[Item] = set()
        """Failed items whose error record is being read again after a restart."""
        self.changes = 0
        """Steps so far that changed what `codec` encodes or what people are told, or that asked for something."""
        self.history: deque[tuple[float, int, int | None, str]] = deque(maxlen=settings.story_length)
        """Time, node number, index, what: see `story`."""

    @property
    def shown_phase(self) -> RunPhase:
        """The phase that others are told."""
        return RunPhase.PARKED if self.parked else self.phase

    def follow(self, graph: Graph) -> None:
        """Adds records for what the graph has and the state has not."""
        for plan in graph.nodes[len(self.nodes) :]:
            self.nodes.append(
                NodeRecord(pending=len(plan.dependencies), active=plan.parent is None and not plan.handles)
            )
        for scope in graph.scopes[len(self.scopes) :]:
            self.scopes.append(ScopeRecord(open_nodes=len(scope.by_id)))
