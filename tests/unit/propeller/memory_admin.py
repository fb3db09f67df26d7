"""Admin in memory, as an operator sees it: snapshots by key, signals, child runs, the cache."""

import dataclasses
from collections.abc import Callable

from engine_world import INPUT

from limosa_engine.phases import NODE_TERMINAL, RUN_TERMINAL, NodePhase, RunPhase
from limosa_idl.admin.v1alpha1.admin_pb2 import (
    LaunchChildrenRequest,
    LaunchChildrenResponse,
    LookupCacheRequest,
    LookupCacheResponse,
    StoreCacheRequest,
)
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import RunState, Signal, Snapshot
from limosa_model import failures, values
from limosa_propeller.admin_link.outbox import Key, is_end
from limosa_propeller.admin_link.outbox import _key as key_of

Child = LaunchChildrenRequest.Child
ChildState = LaunchChildrenResponse.ChildState
Answer = LookupCacheResponse.Answer


@dataclasses.dataclass
class MemoryAdmin:
    """What admin's tables hold; it outlives every operator."""

    child_ends: Callable[[str], tuple[float, bool]]
    """Of a child run by its node: how many seconds it takes, and whether it succeeds."""
    hits: Callable[[str], bool]
    """Whether a node item, "path[index]", may have a cached result."""
    approves: Callable[[str], bool]
    """What a person says to a gate."""
    outputs: Callable[[LiteralMap], LiteralMap]
    """What a child run makes of its inputs."""
    now: Callable[[], float]
    snapshots: dict[Key, Snapshot] = dataclasses.field(default_factory=dict)
    signals: dict[str, Signal] = dataclasses.field(default_factory=dict)
    children: dict[str, RunState] = dataclasses.field(default_factory=dict)
    reserved: dict[str, str] = dataclasses.field(default_factory=dict)
    """Which node item makes the result of a cache key."""
    results: dict[str, str] = dataclasses.field(default_factory=dict)
    """URI of the commit of each cache key."""
    _ends_at: dict[str, float] = dataclasses.field(default_factory=dict)
    _inputs: dict[str, LiteralMap] = dataclasses.field(default_factory=dict)

    @property
    def end(self) -> RunState | None:
        """The run's end, as published."""
        ends = [shot.run for shot in self.snapshots.values() if is_end(shot)]
        return ends[0] if ends else None

    @property
    def greatest_number(self) -> int:
        """Of the run's snapshots."""
        return max((shot.seq for shot in self.snapshots.values()), default=0)

    def publish(self, batch: list[Snapshot]) -> None:
        """Of each key the greatest version stays; what is terminal is final within its epoch, a run's end for ever."""
        for shot in batch:
            known = self.snapshots.get(key_of(shot))
            if known is not None and (
                version_of(known) >= version_of(shot)
                or is_end(known)
                or (is_final(known) and known.epoch == shot.epoch)
            ):
                continue
            self.snapshots[key_of(shot)] = Snapshot.FromString(shot.SerializeToString())
            self._answer_gate(shot)

    def look_at(self, child: Child) -> ChildState:
        """Makes a child run, or says how far it is, or ends it."""
        path = child.node_path
        state = self.children.get(path)
        if state is None:
            if child.abort:
                missing = failures.user("ChildMissing", "there is no such run", retryable=True)
                self.children[path] = RunState(phase=int(RunPhase.ABORTED))  # type: ignore[arg-type]
                return ChildState(failure=missing)
            state = self.children[path] = RunState(phase=int(RunPhase.RUNNING))  # type: ignore[arg-type]
            self._ends_at[path] = self.now() + self.child_ends(path)[0]
            self._inputs[path] = child.inputs
        assert not child.HasField("target") or child.inputs == self._inputs.get(path, child.inputs)
        if RunPhase(state.phase) not in RUN_TERMINAL:
            if child.abort:
                state.phase = int(RunPhase.ABORTED)  # type: ignore[assignment]
            elif self.now() >= self._ends_at[path]:
                self._end_child(path, state)
        return ChildState(name=f"child-of-{path.replace('/', '-')}", state=state)

    def look_up(self, lookup: LookupCacheRequest.Lookup) -> Answer:
        """Whose the result of a key is."""
        item = _item(lookup)
        if lookup.gone_uri and self.results.get(lookup.key) == lookup.gone_uri:
            del self.results[lookup.key]
        if lookup.key in self.results and self.hits(item):
            uri = self.results[lookup.key]
            return Answer(outcome=Answer.OUTCOME_HIT, commit_uri=uri, run_name="bold-crane")
        if not lookup.reserve or lookup.key in self.results:
            return Answer(outcome=Answer.OUTCOME_MISS)
        if self.reserved.setdefault(lookup.key, item) == item:
            return Answer(outcome=Answer.OUTCOME_RESERVED)
        return Answer(outcome=Answer.OUTCOME_TAKEN, holder=self.reserved[lookup.key])

    def keep(self, result: StoreCacheRequest.Result) -> None:
        """Takes a result, or word of a reservation."""
        if result.commit_uri:
            self.results.setdefault(result.key, result.commit_uri)
        if not result.renew and self.reserved.get(result.key) == _item(result):
            del self.reserved[result.key]

    def reservations_run_out(self) -> None:
        """Nobody renewed them for a minute."""
        self.reserved.clear()

    def _answer_gate(self, shot: Snapshot) -> None:
        """A person sees a gate that waits, and answers."""
        path, code = shot.key.node_path, shot.node.reason.code
        if shot.WhichOneof("state") != "node" or is_final(shot) or path in self.signals:
            return
        if code == "WaitingForApproval":
            self.signals[path] = Signal(node_path=path, by="ann", approved=self.approves(path))
        elif code == "WaitingForInput":
            self.signals[path] = Signal(node_path=path, by="ann", value=values.integer(INPUT))

    def _end_child(self, path: str, state: RunState) -> None:
        if self.child_ends(path)[1]:
            state.phase = int(RunPhase.SUCCEEDED)  # type: ignore[assignment]
            state.outputs.CopyFrom(self.outputs(self._inputs[path]))
        else:
            state.phase = int(RunPhase.FAILED)  # type: ignore[assignment]
            state.failure.CopyFrom(failures.user("UserException", "boom"))


def version_of(shot: Snapshot) -> tuple[int, int, int]:
    """What snapshots of one key are ordered by."""
    return shot.epoch.generation, shot.epoch.number, shot.seq


def is_final(shot: Snapshot) -> bool:
    """Whether it tells the end of a node or a node item."""
    return shot.WhichOneof("state") == "node" and NodePhase(shot.node.phase) in NODE_TERMINAL


def _item(asked: LookupCacheRequest.Lookup | StoreCacheRequest.Result) -> str:
    return f"{asked.node_path}[{asked.index}]" if asked.HasField("index") else asked.node_path
