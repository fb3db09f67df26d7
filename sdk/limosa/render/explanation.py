"""Why a run or node is in its state, since when, and what comes next: the snapshots put into sentences."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator

from google.protobuf.timestamp_pb2 import Timestamp

from limosa.render.failure import next_commands
from limosa.render.remedies import gate_remedy, remedy_of, remedy_of_failure
from limosa.render.run_view import ORIGIN_WORDS, TERMINAL_RUN_PHASES, RunView
from limosa.render.tree import clock, duration
from limosa_idl.admin.v1alpha1.admin_pb2 import Run, RunDetail, RunUpdate
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER, Failure
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model.graph import ON_FAILURE, Index, dependencies, inside, scope_nodes
from limosa_model.made_graphs import made_graphs
from limosa_model.moments import moment_of

_DONE = frozenset({pb.NODE_PHASE_SUCCEEDED, pb.NODE_PHASE_SKIPPED})
_ENDED = _DONE | {pb.NODE_PHASE_FAILED, pb.NODE_PHASE_ABORTED}
_OPEN_SHOWN = 30
_ITEMS_SHOWN = 5

_MEANINGS = {
    "Capacity": "it waits for one of the run's slots; it starts when another node item ends",
    "Values": "its inputs are being read from the store",
    "CacheLookup": "the cache is asked for its result",
    "WaitingForReservation": "another run makes the same result; it is taken once it is there",
    "AdminUnreachable": "whether another run makes the same result is not known yet",
    "WaitingForApproval": "a person has to let it pass",
    "WaitingForInput": "it has to be given a value",
    "ChildRun": "it waits for the run that it launched",
    "Sleeping": "it goes on when its time has come",
    "Backoff": "it waits before the next attempt",
    "Unschedulable": "the cluster has no node with room for its pod, and only room, an abort or the operator's pending timeout ends that wait",
    "ServiceAccountMissing": "its namespace lacks the pods' service account; its pod is asked for again, for five minutes",
    "NamespaceTerminating": "its namespace is being deleted; its pod is asked for again, for five minutes",
    "Deleting": "its pod ends, or is given up",
    "Quota": "the namespace's quota is used up; its pod is asked for again",
    "ImagePull": "the cluster pulls its image",
    "Store": "the object store does not answer; it is asked again",
    "KubernetesApi": "the Kubernetes API does not answer; it is asked again",
}
"""By reason code: what is going on. Codes without a row speak for themselves in their detail."""


def explain_run(detail: RunDetail, now: dt.datetime, flags: str = "") -> str:
    """A whole run: its state, every node that is not done, and what to do.

    Args:
        detail: The run.
        now: Ends the spans of what still runs.
        flags: Added to the commands, where they need some to find the run.
    """
    known = _Known(detail)
    run, state = detail.run, detail.run.state
    phase = pb.RunPhase.Name(state.phase).removeprefix("RUN_PHASE_").lower()
    ended = state.phase in TERMINAL_RUN_PHASES
    lines = [f"{run.name} {'' if ended else 'is '}{phase}{_since(state, run, now)}"]
    if state.HasField("failure"):
        lines.append(f"  {_failure(state.failure)}{_place_of(state.failure)}")
    elif run.abort_reason:
        lines.append(f"  {run.abort_reason}")
    if state.reason.code and state.phase not in TERMINAL_RUN_PHASES:
        lines.append(f"  {_reason(state.reason, now)}")
        remedy = remedy_of(state.reason.code, state.reason.detail)
        lines += [f"  → {remedy}"] if remedy else []
    if state.nodes_total:
        failed = sum(1 for place in known.walk() if known.phase(place.path) == pb.NODE_PHASE_FAILED)
        of_them = f", {failed} of them failed" if failed else ""
        lines.append(f"  {state.nodes_done} of {state.nodes_total} nodes ended{of_them}")
    open_nodes = [place for place in known.walk() if known.is_worth_telling(place)]
    told = set()
    for place in open_nodes[:_OPEN_SHOWN]:
        lines.append(f"  {place.path} {place.name}: {known.sentence(place, now)}")
        if known.phase(place.path) in _DONE:
            lines += (f"  {line}" for line in known.items(place.path, known.state(place.path), now))
        remedy = known.remedy(place)
        lines += [f"    → {remedy}"] if remedy and remedy not in told else []
        told.add(remedy)
    if len(open_nodes) > _OPEN_SHOWN:
        lines.append(f"  … and {len(open_nodes) - _OPEN_SHOWN} more nodes")
    if state.HasField("failure"):
        lines += ["Go on", *(f"  {command}" for command in known.commands(flags))]
    return "\n".join(lines)


def explain_node(detail: RunDetail, path: str, index: int | None, now: dt.datetime) -> str:
    """One node or item: its state, what it waits for, and each attempt."""
    known = _Known(detail)
    place = next(place for place in known.walk() if place.path == path)
    state = known.state(path, index)
    title = path if index is None else f"{path}[{index}]"
    target = f" ({state.kind} {state.target})" if state.target else ""
    lines = [f"{title} {place.name}{target}", f"  {known.sentence(place, now, index)}"]
    remedy = known.remedy(place, index)
    lines += [f"  → {remedy}"] if remedy else []
    if index is None and state.items:
        lines += known.items(path, state, now)
    attempts = known.launches.get((path, index), {})
    told = known.reason_of(path, index, state)
    lines += [
        f"  attempt {ordinal + 1}: {_attempt(launch, now, told)}"
        for ordinal, launch in sorted(attempts.items())
    ]
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class _Place:
    path: str
    name: str
    node: Node
    graph: Index
    """The closure whose names the node uses."""
    around: str
    """Path of the node it lies in, with a slash; empty at the top."""
    outer: "pb.NodePhase.ValueType"
    """Phase of that node."""


class _Known:
    """A run's snapshots by what they are of."""

    def __init__(self, detail: RunDetail) -> None:
        self._view = RunView()
        self._view.apply(RunUpdate(run=detail.run, closure=detail.closure, snapshots=detail.snapshots))
        self._graph = Index(detail.closure)
        self._over = detail.run.state.phase in TERMINAL_RUN_PHASES
        self._nodes: dict[tuple[str, int | None], pb.NodeState] = {}
        self.launches: dict[tuple[str, int | None], dict[int, pb.LaunchState]] = {}
        for snapshot in detail.snapshots:
            key = snapshot.key
            item = (key.node_path, key.index if key.HasField("index") else None)
            if snapshot.HasField("node"):
                self._nodes[item] = snapshot.node
            elif snapshot.HasField("launch"):
                self.launches.setdefault(item, {})[key.launch] = snapshot.launch

        whole = ((path, state) for (path, index), state in self._nodes.items() if index is None)
        self._made = made_graphs(whole)

    def walk(self) -> Iterator[_Place]:
        """Every node, in the order of the author's code."""
        yield from self._walk(self._graph, scope_nodes(self._graph.entry), "", pb.NODE_PHASE_RUNNING)

    def _walk(
        self, graph: Index, nodes: Iterable[Node], around: str, outer: "pb.NodePhase.ValueType"
    ) -> Iterator[_Place]:
        for node in nodes:
            path = around + node.id
            yield _Place(path, node.display_name or node.id, node, graph, around, outer)
            yield from self._walk(*inside(graph, node, self._made.get(path)), path + "/", self.phase(path))

    def state(self, path: str, index: int | None = None) -> pb.NodeState:
        """The latest state of a node or item; waiting where nothing is known."""
        return self._nodes.get((path, index)) or pb.NodeState(phase=pb.NODE_PHASE_WAITING)

    def phase(self, path: str) -> "pb.NodePhase.ValueType":
        """The phase of a node."""
        return self.state(path).phase or pb.NODE_PHASE_WAITING

    def is_worth_telling(self, place: _Place) -> bool:
        """Whether a node is not done, though its turn came; or is done with items that failed."""
        state = self.state(place.path)
        if place.node.id == ON_FAILURE and self.phase(place.path) == pb.NODE_PHASE_WAITING:
            return False
        return bool(state.items_failed) or (self.phase(place.path) not in _DONE and not _never_began(state))

    def remedy(self, place: _Place, index: int | None = None) -> str:
        """What a person does so that a node or item goes on, or so that it does not fail again; empty where nothing is."""
        state = self.state(place.path, index)
        secrets = self._view.secrets(place.path)
        failed = state.phase == pb.NODE_PHASE_FAILED
        reason = None if state.phase in _ENDED else self.reason_of(place.path, index, state)
        if not failed and reason is None:
            return ""
        if gate := "" if failed else gate_remedy(self._view.run.name, place.path, place.node):
            return gate
        if state.child_run:
            return f"limosa explain {state.child_run}"
        if reason is None:
            return remedy_of_failure(state.failure, secrets)
        return remedy_of(reason.code, reason.detail, secrets)

    def commands(self, flags: str) -> list[str]:
        """What a person types next about a run that failed."""
        return next_commands(self._view, flags)

    def sentence(self, place: _Place, now: dt.datetime, index: int | None = None) -> str:
        """What a node or item does, why, and what comes next."""
        state = self.state(place.path, index)
        phase = state.phase or pb.NODE_PHASE_WAITING
        word = pb.NodePhase.Name(phase).removeprefix("NODE_PHASE_").lower()
        if phase == pb.NODE_PHASE_WAITING:
            return self._waiting(place)
        if phase == pb.NODE_PHASE_SKIPPED:
            return f"skipped: {self._skipped(place)}"
        if phase == pb.NODE_PHASE_FAILED:
            why = "" if index is not None else self._view.unmet(place.path)
            final = f"; {why}" if why else _why_final(state, self._retries(place))
            return f"failed{_took(state)}: {_failure(state.failure)}{final}"
        if state.origin:
            how = ORIGIN_WORDS[state.origin]
            return f"{word}: {how}" + (f", from run {state.origin_run}" if state.origin_run else "")
        if index is None and _never_began(state):
            return f"not run: {self._skipped(place)}"
        if phase in _ENDED:
            why = self._view.run.abort_reason if phase == pb.NODE_PHASE_ABORTED else ""
            ended = f"{word}{_took(state)}" + (f": {why}" if why else "")
            return "; ".join([ended, *self._how(place, state, index)])
        reason = self.reason_of(place.path, index, state)
        since = _ago(state.started_at if state.HasField("started_at") else state.queued_at, now)
        parts = [f"{word}{since}"]
        if reason is not None and index is None and self._has_room(place.path):
            parts.append("some of its items wait for room, which others of it have")
        elif reason is not None:
            parts.append(_reason(reason, now))
        used, retries = state.user_failures, self._retries(place)
        if used:
            parts.append(f"{used} of {retries} retries used")
        if phase == pb.NODE_PHASE_RUNNING and state.items:
            parts.append(
                f"{state.items_succeeded} of {state.items} items done, {state.items_running} running"
            )
        return "; ".join(parts)

    def _how(self, place: _Place, state: pb.NodeState, index: int | None) -> Iterator[str]:
        """What it took: results that were there, and retries."""
        if index is None and state.items:
            taken = ", ".join(self._view.taken(place.path))
            if taken:
                yield f"of its {state.items} items {taken}"
            if state.items_failed:
                yield f"{state.items_failed} of its {state.items} items failed"
            used = sum(
                _retries_used(item)
                for (node, at), item in self._nodes.items()
                if node == place.path and at is not None
            )
            if used:
                yield f"its items used {used} {'retry' if used == 1 else 'retries'}"
        elif state.user_failures:
            yield f"{state.user_failures} of {self._retries(place)} retries used"

    def items(self, path: str, state: pb.NodeState, now: dt.datetime) -> Iterator[str]:
        """The items of a map that are worth a word: failed ones, and those that wait for something unusual."""
        told = waiting_too = 0
        own = self.reason_of(path, None, state)
        for (node, index), item in sorted(
            self._nodes.items(), key=lambda each: (each[0][0], each[0][1] or 0)
        ):
            if node != path or index is None or item.phase in _DONE:
                continue
            reason = self.reason_of(path, index, item)
            if item.phase != pb.NODE_PHASE_FAILED and (reason is None or reason.code == "Capacity"):
                continue
            if reason is not None and _same(reason, own):
                waiting_too += 1
                continue
            told += 1
            if told <= _ITEMS_SHOWN:
                what = _failure(item.failure) if reason is None else _reason(reason, now)
                yield f"  item {index}: {what}"
        if told > _ITEMS_SHOWN:
            yield f"  … and {told - _ITEMS_SHOWN} more items like these"
        if waiting_too:
            yield f"  {waiting_too} of its items {'waits' if waiting_too == 1 else 'wait'} for that"

    def _waiting(self, place: _Place) -> str:
        if self._over:
            return "never started: the run ended before"
        if place.node.id == ON_FAILURE:
            return "runs if its workflow fails"
        missing = [
            f"{place.around}{upstream}"
            for upstream in sorted(dependencies(place.node))
            if self.phase(f"{place.around}{upstream}") not in _DONE
        ]
        if missing:
            return f"waits for {', '.join(missing)}"
        if self._view.phase == pb.RUN_PHASE_QUEUED:
            return "waits for the run to begin"
        return f"waits for {place.around.rstrip('/')}" if place.around else "about to start"

    def _skipped(self, place: _Place) -> str:
        if place.node.id == ON_FAILURE:
            aborted = self._view.phase in (pb.RUN_PHASE_ABORTING, pb.RUN_PHASE_ABORTED)
            return "a person ended the run" if aborted else "its workflow has not failed"
        for upstream in sorted(dependencies(place.node)):
            path = f"{place.around}{upstream}"
            if self.phase(path) in (pb.NODE_PHASE_FAILED, pb.NODE_PHASE_ABORTED, pb.NODE_PHASE_SKIPPED):
                word = pb.NodePhase.Name(self.phase(path)).removeprefix("NODE_PHASE_").lower()
                return f"{path}, which it depends on, {'was ' if word != 'failed' else ''}{word}"
        if place.around and self.state(place.around.rstrip("/")).branch_taken:
            return f"the branch took {self.state(place.around.rstrip('/')).branch_taken}"
        return f"{place.around.rstrip('/') or 'the run'} did not come to it"

    def reason_of(self, path: str, index: int | None, state: pb.NodeState) -> pb.Reason | None:
        """What a node or item waits for; None where it does not wait."""
        if state.reason.code:
            return state.reason
        launches = self.launches.get((path, index), {}).values()
        return next((launch.reason for launch in launches if launch.reason.code), None)

    def _has_room(self, path: str) -> bool:
        """Whether items of a map wait for room while others of it have some."""
        return self._view.items_for_room(path) > 0

    def _retries(self, place: _Place) -> int:
        target = self.state(place.path).target
        if place.node.overrides.HasField("retry"):
            return place.node.overrides.retry.retries
        return place.graph.task(target).retry.retries if place.graph.has_task(target) else 0


def _retries_used(state: pb.NodeState) -> int:
    """A failure that ended the item was followed by no retry."""
    last = state.phase == pb.NODE_PHASE_FAILED and state.failure.kind == FAILURE_KIND_USER
    return max(0, state.user_failures - last)


def _never_began(state: pb.NodeState) -> bool:
    """Whether the run ended before the node's turn came."""
    return state.phase == pb.NODE_PHASE_ABORTED and not state.HasField("started_at")


def _attempt(launch: pb.LaunchState, now: dt.datetime, told: pb.Reason | None) -> str:
    word = pb.LaunchPhase.Name(launch.phase).removeprefix("LAUNCH_PHASE_").lower()
    parts = [f"{word}{_took(launch) if launch.HasField('finished_at') else _ago(launch.created_at, now)}"]
    if launch.pod:
        parts.append(f"pod {launch.pod}" + (f" on {launch.cluster_node}" if launch.cluster_node else ""))
    if launch.exit_code:
        parts.append(f"exit code {launch.exit_code}")
    if launch.HasField("failure"):
        parts.append(_failure(launch.failure))
    if launch.reason.code and not launch.HasField("finished_at") and not _same(launch.reason, told):
        parts.append(_reason(launch.reason, now))
    return ", ".join(parts)


def _failure(failure: Failure) -> str:
    first, *more = [line for line in failure.message.splitlines() if line.strip()] or [failure.code]
    if first.endswith(":"):
        # How a script's own words end.
        first = f"{first} {more[-1].strip()}" if more else first[:-1]
    return first if failure.code in first else f"{failure.code}: {first}"


def _place_of(failure: Failure) -> str:
    """Where a run's failure came from, as words behind it."""
    origin = failure.origin
    if not origin.node_path or failure.message.startswith(origin.node_path):
        return ""
    return f" (node {origin.node_path}" + (f", item {origin.index})" if origin.HasField("index") else ")")


def _why_final(state: pb.NodeState, retries: int) -> str:
    """Why there is no further attempt."""
    failure = state.failure
    if not failure.code or state.items:
        return ""
    if not failure.retryable:
        return "; such a failure is not tried again"
    if failure.kind == FAILURE_KIND_SYSTEM:
        return f"; the platform tried {state.launches} times"
    return f"; {_all(retries)} used" if retries else "; the task has no retries"


def _all(retries: int) -> str:
    return "its one retry is" if retries == 1 else f"all {retries} retries are"


def _reason(reason: pb.Reason, now: dt.datetime) -> str:
    text = _MEANINGS.get(reason.code, reason.code)
    if reason.detail:
        text += f" ({reason.detail})"
    if reason.HasField("next_at"):
        left = (moment_of(reason.next_at) - now).total_seconds()
        text += f"; next at {clock(reason.next_at)}" + (f", in {duration(left)}" if left > 0 else "")
    return text


def _same(reason: pb.Reason, told: pb.Reason | None) -> bool:
    """Whether it would say what was said already."""
    return told is not None and (reason.code, reason.detail) == (told.code, told.detail)


def _since(state: pb.RunState, run: Run, now: dt.datetime) -> str:
    if state.HasField("finished_at") and state.HasField("started_at"):
        took = (moment_of(state.finished_at) - moment_of(state.started_at)).total_seconds()
        return f" after {duration(max(took, 0.0))}{_queued(state, run)}"
    begun = state.started_at if state.HasField("started_at") else run.created_at
    return _ago(begun, now)


def _queued(state: pb.RunState, run: Run) -> str:
    """How long a run that has begun waited for its turn, where that is worth a word."""
    created = moment_of(run.created_at)
    waited = (moment_of(state.started_at) - created).total_seconds()
    return f", queued {duration(waited)} before" if created.timestamp() > 0 and waited >= 1 else ""


def _took(state: pb.NodeState | pb.LaunchState) -> str:
    if not state.HasField("finished_at") or not state.HasField("started_at"):
        return ""
    seconds = (moment_of(state.finished_at) - moment_of(state.started_at)).total_seconds()
    return f" after {duration(max(seconds, 0.0))}"


def _ago(stamp: Timestamp, now: dt.datetime) -> str:
    moment = moment_of(stamp)
    if moment.timestamp() <= 0:
        return ""
    return f" for {duration(max((now - moment).total_seconds(), 0.0))}"
