"""Stories: what happened, and what the engine wanted then, in YAML.

A file holds `graphs` by name and `stories`. A story has a graph (a name or a body, see `engine_graphs`), perhaps
`inputs`, `settings`, `epoch`, `cache_mode`, `reuse`
(of a resumed run: the nodes it launches all the same), `each` (values for `<name>` placeholders: one story per entry) and `steps`. A step:

    at: 12.0                  time in seconds; one more than before if absent
    crash: true               all is lost but the encoded state, before the events
    when: [event, ...]        see `event`
    then: [command, ...]      all commands but Publish, in order; "!" at the end: needs an accepted status
    phases: {run: .., n0: .., "m[0]": ..}
    launches: {n0#0: FAILED}  as published
    grown: {d: 3}             nodes in the graph published of a dynamic node
    reasons: {n0: Backoff}    as published ("" for none)
    since: {n0: 12}           of such a reason, in seconds
    inputs: {n0#0: {x: 1}}    of the last CreatePod of that launch, or LaunchChild (n0)
    published: {m: {items: 3}}    fields as published
    publishes: [n0#0, n0]     keys published in this step, in order
    gets: {n0#1: {memory: 2Gi, interruptible: false, timeout: 60}}    fields of that CreatePod
    says: {n0#0: "part of the message"}    of a launch's failure, or of a node's reason, as published
    codes: {n0#0: NodeLost}   of a launch's failure, as published
    failure: {code: .., kind: USER, at: n0, says: "part of the message"}
    outputs: {y: 3}           of the run; null for none
    called: {n0/e0: 3}        nodes in the graph published of a call
    given: {n0: {o0: 3}}      outputs of a node, as far as they are in memory
    keys: {"m[0]": a, "m[1]": b}    of the last question to the cache: the same word for the same key, for the whole story
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import engine_graphs as graphs
import yaml

from limosa_engine import Graph, Item, State, decode, encode, new_state, step
from limosa_engine import commands as cmd
from limosa_engine import events as ev
from limosa_engine.phases import LaunchPhase, NodePhase, RunPhase
from limosa_engine.pods import PodView
from limosa_idl.core.v1alpha1.failure_pb2 import ExceptionDetails, Failure, FailureKind, Frame
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import (
    ORIGIN_CACHE,
    ORIGIN_REUSE,
    Commit,
    ErrorRecord,
    Signal,
    Snapshot,
    TerminationRecord,
)
from limosa_model.names import launch_id

FOLDER = Path(__file__).parent / "stories"


@cache
def load_all() -> list[tuple[str, dict[str, Any]]]:
    """Every story, under "file: title"; read once, for it takes seconds."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        for raw in document["stories"]:
            for values in raw.get("each", [{}]):
                story = fill(raw, values)
                if isinstance(story["graph"], str):
                    story["graph"] = document["graphs"][story["graph"]]
                story["graphs"] = document.get("graphs", {})
                found.append((f"{path.stem}: {story['story']}", story))
    return found


def fill(value: Any, values: dict[str, Any]) -> Any:
    """Puts the values in place of `<name>`."""
    if isinstance(value, dict):
        return {fill(key, values): fill(item, values) for key, item in value.items() if key != "each"}
    if isinstance(value, list):
        return [fill(item, values) for item in value]
    if isinstance(value, str):
        whole = re.fullmatch(r"<(\w+)>", value)
        if whole and whole[1] in values:
            return values[whole[1]]
        return re.sub(r"<(\w+)>", lambda match: str(values.get(match[1], match[0])), value)
    return value


class Teller:
    """Plays one story."""

    def __init__(self, story: dict[str, Any]) -> None:
        self.story = story
        self.graph: Graph = graphs.build(
            story["graph"],
            inputs=story.get("inputs"),
            epoch=tuple(story.get("epoch", (1, 1))),
            cache_mode=story.get("cache_mode", "UNSPECIFIED"),
            reuse=story.get("reuse"),
            **story.get("settings", {}),
        )
        self.state: State = new_state(self.graph, 0.0)
        self.now = 0.0
        self.created: dict[str, cmd.CreatePod] = {}
        self.asked: dict[str, cmd.LaunchChild] = {}
        self.keys: dict[str, str] = {}
        """Of the last question to the cache, by node item."""
        self.words: dict[str, str] = {}
        """What the story calls those keys."""
        self.published: dict[str, Snapshot] = {}

    def tell(self) -> None:
        """Plays all steps and compares."""
        for number, part in enumerate(self.story["steps"]):
            self.now = float(part.get("at", self.now + 1))
            if part.get("crash"):
                self.state = decode(self.graph, encode(self.state), self.now)
                self.published = {}
            events = [event for text in part.get("when", []) for event in self.event(text)]
            before, changes = encode(self.state), self.state.changes
            commands = step(self.graph, self.state, events, self.now)
            assert changes != self.state.changes or before == encode(self.state), f"step {number} is not told"
            self.now_published: list[str] = []
            told = [self.shown(command) for command in commands if not isinstance(command, cmd.Publish)]
            for command in commands:
                self.remember(command)
            if "then" in part:
                assert told == part["then"], f"step {number}: commands {told}"
            self.compare(part, number)

    def remember(self, command: cmd.Command) -> None:
        if isinstance(command, cmd.CreatePod):
            self.created[f"{command.item}#{command.launch}"] = command
        elif isinstance(command, cmd.LookupCache):
            self.keys[str(command.item)] = command.key
        elif isinstance(command, cmd.LaunchChild):
            self.asked[str(command.item)] = command
        elif isinstance(command, cmd.Publish):
            key = command.snapshot.key
            index = key.index if key.HasField("index") else None
            name = str(Item(key.node_path, index)) if key.node_path else "run"
            name = f"{name}#{key.launch}" if key.HasField("launch") else name
            self.published[name] = command.snapshot
            self.now_published.append(name)

    def compare(self, part: dict[str, Any], number: int) -> None:
        if "publishes" in part:
            assert self.now_published == part["publishes"], f"step {number}: published"
        for name, phase in part.get("phases", {}).items():
            assert self.phase(name) == phase, f"step {number}: phase of {name}"
        for name, phase in part.get("launches", {}).items():
            assert LaunchPhase(self.published[name].launch.phase).name == phase, f"step {number}: {name}"
        for name, count in part.get("called", {}).items():
            made = self.published[name].node.call
            assert sum(len(workflow.nodes) for workflow in made.workflows) == count, f"step {number}: {name}"
        for name, code in part.get("reasons", {}).items():
            snapshot = self.published[name]
            assert getattr(snapshot, snapshot.WhichOneof("state") or "").reason.code == code, (
                f"step {number}: {name}"
            )
        for name, seconds in part.get("since", {}).items():
            assert self.published[name].node.reason.since.seconds == seconds, (
                f"step {number}: since of {name}"
            )
        for name, inputs in part.get("inputs", {}).items():
            made = self.created.get(name) or self.asked[name]
            assert graphs.plain(made.inputs) == inputs, f"step {number}: inputs of {name}"
        for name, count in part.get("grown", {}).items():
            made = self.published[name].node.graph
            assert sum(len(workflow.nodes) for workflow in made.workflows) == count, f"step {number}: {name}"
        for name, fields in part.get("gets", {}).items():
            for field, value in fields.items():
                assert getattr(self.created[name], field) == value, f"step {number}: {field} of {name}"
        for name, text in part.get("says", {}).items():
            snapshot = self.published[name]
            state = getattr(snapshot, snapshot.WhichOneof("state") or "")
            assert text in (state.failure.message or state.reason.detail), f"step {number}: {state}"
        for name, code in part.get("codes", {}).items():
            assert self.published[name].launch.failure.code == code, f"step {number}: {name}"
        for name, fields in part.get("published", {}).items():
            snapshot = self.published[name]
            state = getattr(snapshot, snapshot.WhichOneof("state") or "")
            for field, value in fields.items():
                assert getattr(state, field) == value, f"step {number}: {field} of {name}"
        for name, outputs in part.get("given", {}).items():
            known = self.state.values.get((self.graph.by_path[name], 0))
            assert isinstance(known, LiteralMap), f"step {number}: outputs of {name}"
            assert graphs.plain(known) == outputs, f"step {number}: outputs of {name}"
        for name, word in part.get("keys", {}).items():
            assert self.words.setdefault(self.keys[name], word) == word, f"step {number}: key of {name}"
            assert list(self.words.values()).count(word) == 1, f"step {number}: two keys are {word}"
        if "failure" in part:
            self.compare_failure(part["failure"], number)
        if "outputs" in part and part["outputs"] is None:
            assert self.state.outputs is None, f"step {number}: outputs"
        elif "outputs" in part:
            assert self.state.outputs is not None, f"step {number}: outputs"
            assert graphs.plain(self.state.outputs) == part["outputs"], f"step {number}: outputs"

    def compare_failure(self, expected: dict[str, Any], number: int) -> None:
        failure = self.state.failure
        assert failure is not None, f"step {number}: failure"
        kind = FailureKind.Name(failure.kind).removeprefix("FAILURE_KIND_")
        assert failure.code == expected.get("code", failure.code), f"step {number}: {failure}"
        assert kind == expected.get("kind", kind), f"step {number}: {failure}"
        origin = failure.origin
        index = origin.index if origin.HasField("index") else None
        assert expected.get("at", "") in ("", str(Item(origin.node_path, index))), f"step {number}: {failure}"
        assert expected.get("launch", origin.launch) == origin.launch, f"step {number}: {failure}"
        assert expected.get("says", "") in failure.message, f"step {number}: {failure.message}"

    def phase(self, name: str) -> str:
        if name == "run":
            return self.state.shown_phase.name
        item = parse_item(name)
        record = self.state.nodes[self.graph.by_path[item.node_path]]
        phase: NodePhase = record.phase if item.index is None else record.items[item.index].phase
        return phase.name

    def shown(self, command: cmd.Command) -> str:
        """A command as stories write it."""
        mark = " !" if command.needs_status else ""
        if isinstance(command, cmd.CreatePod):
            return f"create {command.item}#{command.launch}{mark}"
        if isinstance(command, cmd.DeletePod):
            return f"delete {command.item}#{command.launch} {command.reason}{mark}"
        if isinstance(command, cmd.ReadCommit):
            return f"read-commit {command.item}{mark}"
        if isinstance(command, cmd.ReuseCommit):
            return f"reuse {command.item}{mark}"
        if isinstance(command, cmd.ReadError):
            return f"read-error {command.item}#{command.launch}{mark}"
        if isinstance(command, cmd.KeepLog):
            return f"keep-log {command.item}#{command.launch}{mark}"
        if isinstance(command, cmd.LoadValue):
            return f"load {command.uri}{mark}"
        if isinstance(command, cmd.CollectMap):
            without = f" without {','.join(map(str, command.missing))}" if command.missing else ""
            return f"collect {command.item} of {command.items}{without}{mark}"
        if isinstance(command, cmd.CommitNode):
            return f"commit {command.item} {graphs.plain(command.outputs)}{_told(command.signal)}{mark}"
        if isinstance(command, cmd.ReadCall):
            return f"read-call {command.item}/{command.call}{mark}"
        if isinstance(command, cmd.CommitCall):
            ended = (
                f"failed {command.failure.code}"
                if command.failure is not None
                else f"{graphs.plain(command.outputs or LiteralMap())}"
            )
            return f"commit-call {command.item}/{command.call} {ended}{mark}"
        if isinstance(command, cmd.Quarantine):
            return f"quarantine {command.failure.code}{mark}"
        if isinstance(command, cmd.LaunchChild):
            return f"launch-child {command.item} {command.plan.launch_plan}{mark}"
        if isinstance(command, cmd.AbortChild):
            return f"abort-child {command.item}{mark}"
        if isinstance(command, cmd.LookupCache):
            return f"look-up {command.item}{' reserve' if command.reserve else ''}{mark}"
        if isinstance(command, cmd.StoreCache):
            return f"{command.what.value} {command.item}{' overwrite' if command.overwrite else ''}{mark}"
        assert isinstance(command, cmd.WakeAt)
        return f"wake {command.when:g}{mark}"

    def event(self, told: Any) -> list[ev.Event]:
        """An event as stories write it."""
        if isinstance(told, dict):
            return [self.rich(told)]
        verb, _, rest = told.partition(" ")
        plain: dict[str, list[ev.Event]] = {
            "start": [ev.RunStarted(), ev.PodsListed()],
            "started": [ev.RunStarted()],
            "restored": [ev.RunRestored()],
            "listed": [ev.PodsListed()],
            "timer": [ev.TimerFired()],
            "abort": [ev.AbortRequested("enough")],
        }
        if verb in plain:
            return plain[verb]
        name, _, more = rest.partition(" ")
        item, launch = parse_launch(name)
        if verb == "created":
            return [ev.PodCreated(item, launch, f"uid-{name}")]
        if verb == "running":
            view = PodView(f"uid-{name}", "Running", started_at=self.now, cluster_node="node-1")
            return [ev.PodObserved(item, launch, view)]
        if verb == "pending":
            return [ev.PodObserved(item, launch, PodView(f"uid-{name}", "Pending"))]
        if verb == "gone":
            return [ev.PodGone(item, launch)]
        if verb == "deleted":
            return [ev.PodDeleted(item, launch, gone=more == "gone")]
        if verb == "log-kept":
            return [ev.LogKept(item, launch)]
        if verb == "no-commit":
            return [ev.CommitRead(item, None)]
        if verb in ("miss", "reserved"):
            return [ev.CacheAnswered(item, ev.CacheOutcome[verb.upper()])]
        if verb in ("called", "no-call", "call-committed"):
            path, _, call = name.rpartition("/")
            told_of: dict[str, ev.Event] = {
                "called": ev.CallMade(path, call),
                "no-call": ev.CallRead(Item(path), call, None),
                "call-committed": ev.CallCommitted(Item(path), call),
            }
            return [told_of[verb]]
        if verb == "no-error":
            return [ev.ErrorRead(item, launch, None)]
        raise ValueError(f"no such event: {told}")

    def rich(self, told: dict[str, Any]) -> ev.Event:
        (verb, name), *_ = told.items()
        rest = {key: value for key, value in told.items() if key != verb}
        if verb == "loaded":
            return ev.ValueLoaded(name, graphs.literal(rest["value"]))
        if verb == "call":
            path, _, call = name.rpartition("/")
            body = rest["graph"]
            made = graphs.made_graph(
                self.story["graphs"][body] if isinstance(body, str) else body, rest.get("refused", "")
            )
            return ev.CallRead(Item(path), call, made, rest.get("over", False))
        item, launch = parse_launch(name)
        if verb == "signal":
            return ev.SignalReceived(name, signal_of(rest))
        if verb == "child":
            return self.child(item, rest)
        if verb == "commit":
            by = rest.get("by", 0)
            name_of = by if isinstance(by, str) else self.launch_id(item, by)
            made = None
            if "graph" in rest:
                body = rest["graph"]
                made = graphs.made_graph(
                    self.story["graphs"][body] if isinstance(body, str) else body, rest.get("refused", "")
                )
            commit = Commit(launch_id=name_of, inline=graphs.literals(rest.get("outputs", {})))
            if "signal" in rest:
                commit.signal.CopyFrom(signal_of(rest["signal"]))
            if "run" in rest:
                commit.launch_id, commit.origin, commit.origin_run = "", ORIGIN_REUSE, rest["run"]
            return ev.CommitRead(item, commit, graph=made)
        if verb == "error":
            return ev.ErrorRead(
                item,
                launch,
                ErrorRecord(
                    launch_id=rest.get("by") or self.launch_id(item, launch), failure=failure_of(rest)
                ),
            )
        if verb == "hit":
            commit = Commit(
                inline=graphs.literals(rest["outputs"]), origin=ORIGIN_CACHE, origin_run=rest["run"]
            )
            return ev.CacheAnswered(item, ev.CacheOutcome.HIT, commit)
        if verb in ("taken", "unreachable"):
            return ev.CacheAnswered(item, ev.CacheOutcome[verb.upper()], detail=rest["by"])
        if verb == "rejected":
            kind = FailureKind.Value(f"FAILURE_KIND_{rest.get('kind', 'USER')}")
            retry = rest.get("retry", False)
            after = rest.get("after")
            return ev.PodRejected(item, launch, rest["code"], "no pod", retry, after, kind)
        if verb == "store-failed":
            return self.store_failed(name, rest)
        assert verb == "pod", f"no such event: {told}"
        return ev.PodObserved(item, launch, self.view(item, launch, rest))

    def store_failed(self, name: str, rest: dict[str, Any]) -> ev.Event:
        item, launch = parse_launch(name)
        owner, _, call = item.node_path.rpartition("/")
        commands: dict[str, Any] = {
            "call": cmd.ReadCall(Item(owner), call),
            "outcome": cmd.CommitCall(Item(owner), call, graphs.literals(rest.get("outputs", {})), None),
            "commit": cmd.ReadCommit(item),
            "reuse": cmd.ReuseCommit(item, "t", ""),
            "error": cmd.ReadError(item, launch, self.launch_id(item, launch)),
            "value": cmd.LoadValue(name, "", 0),
            "map": cmd.CollectMap(item, 0, (), ()),
            "gate": cmd.CommitNode(item, graphs.literals({})),
        }
        kind = FailureKind.Value(f"FAILURE_KIND_{rest.get('kind', 'SYSTEM')}")
        code, retry = rest.get("code", "Store"), rest.get("retry", True)
        return ev.StoreFailed(commands[rest["read"]], code, "no answer", retry, kind)

    def child(self, item: Item, facts: dict[str, Any]) -> ev.ChildRunObserved:
        """`{child: n0, phase: RUNNING}`, with `outputs` or `failed` where it has ended."""
        outputs = graphs.literals(facts["outputs"]) if "outputs" in facts else None
        failure = failure_of(facts["failed"]) if "failed" in facts else None
        more = {key: facts[key] for key in ("code", "detail") if key in facts}
        return ev.ChildRunObserved(item, RunPhase[facts["phase"]], outputs, failure, **more)

    def view(self, item: Item, launch: int, facts: dict[str, Any]) -> PodView:
        record = None
        if "committed" in facts or "superseded" in facts or "failed" in facts:
            record = TerminationRecord(launch_id=facts.pop("by", self.launch_id(item, launch)))
        if "committed" in facts and record is not None:
            record.outcome = TerminationRecord.OUTCOME_COMMITTED
            outputs = facts.pop("committed")
            if outputs is not None:
                record.outputs.CopyFrom(graphs.literals(outputs))
            facts = {"phase": "Succeeded", "exit_code": 0, **facts}
        elif "superseded" in facts and record is not None:
            record.outcome = TerminationRecord.OUTCOME_SUPERSEDED
            facts.pop("superseded")
            facts = {"phase": "Succeeded", "exit_code": 0, **facts}
        elif "failed" in facts and record is not None:
            record.outcome = TerminationRecord.OUTCOME_FAILED
            record.failure.CopyFrom(failure_of(facts.pop("failed")))
            facts = {"phase": "Failed", "exit_code": 1, **facts}
        return PodView(uid=f"uid-{item}#{launch}", record=record, **{"phase": "Pending", **facts})

    def launch_id(self, item: Item, launch: int) -> str:
        return launch_id("uid-1", item.node_path, item.index, self.graph.epoch, launch)


def signal_of(facts: dict[str, Any]) -> Signal:
    """A signal: `{approved: true, by: ann}` or `{value: 3, by: ann}`."""
    signal = Signal(by=facts.get("by", "ann"))
    if "approved" in facts:
        signal.approved = facts["approved"]
    elif "value" in facts:
        signal.value.CopyFrom(graphs.literal(facts["value"]))
    return signal


def _told(signal: Signal | None) -> str:
    if signal is None:
        return ""
    told = {True: "approved", False: "rejected"}[signal.approved] if signal.HasField("approved") else "told"
    return f" {told} by {signal.by}"


def failure_of(facts: dict[str, Any]) -> Failure:
    """A failure; a USER one has an exception with everything it needs unless `cut` is given."""
    kind = FailureKind.Value(f"FAILURE_KIND_{facts.get('kind', 'USER')}")
    failure = Failure(
        kind=kind,
        code=facts.get("code", "UserException"),
        message=facts.get("message", "boom"),
        retryable=facts.get("retryable", True),
    )
    if not facts.get("cut"):
        frame = Frame(file="flow.py", line=3, source=["raise ValueError('boom')"], source_start=3)
        failure.exception.CopyFrom(
            ExceptionDetails(type="ValueError", frames=[frame], traceback="Traceback …")
        )
    return failure


def parse_item(name: str) -> Item:
    """An item such as n0/n1 or m[3]."""
    match = re.fullmatch(r"([^\[\]#]+)(?:\[(\d+)\])?", name)
    if match is None:
        raise ValueError(f"no such item: {name}")
    return Item(match[1], None if match[2] is None else int(match[2]))


def parse_launch(name: str) -> tuple[Item, int]:
    """An item and a launch's ordinal, such as n0#1; 0 where there is none."""
    path, _, ordinal = name.partition("#")
    return parse_item(path), int(ordinal or 0)
