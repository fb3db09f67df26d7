"""A cluster, a store and an operator that crashes, in memory: what the engine is tried against."""

import copy
import random
from collections.abc import Callable
from typing import Any

import engine_graphs as graphs
from engine_eager import Calls

from limosa_engine import Graph, Item, State, decode, encode, new_state, step, story
from limosa_engine import commands as cmd
from limosa_engine import events as ev
from limosa_engine.phases import NODE_TERMINAL, RUN_TERMINAL, RunPhase
from limosa_engine.pods import PodView
from limosa_engine.resolve import item_inputs
from limosa_engine.turn import Place
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import (
    ORIGIN_CACHE,
    ORIGIN_REUSE,
    Commit,
    ErrorRecord,
    Signal,
    TerminationRecord,
)
from limosa_model import failures, values
from limosa_model.memory import grown_memory

INPUT = 7
"""What every gate that waits for a value is given."""
Plan = Callable[[Item, int], str]
"""How the n-th pod of an item that runs ends: "ok", "user", "oom", "evict", "silent", "exit0"; "turned-away": it never runs."""


Make = Callable[[str, LiteralMap], dict[str, Any]]
"""The graph that the task of a dynamic node commits, from the node's path and inputs."""


class Pod:
    """A pod: Pending, then Running, then ended."""

    def __init__(self, command: cmd.CreatePod, uid: str) -> None:
        self.command = command
        self.view = PodView(uid, "Pending")


class World:
    """Runs one run. Every choice comes from `rng`, so a seed tells the whole story."""

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        rng: random.Random,
        *,
        faults: bool = True,
        make: Make | None = None,
        calls: Calls | None = None,
    ) -> None:
        self.graph, self.plan, self.rng, self.faults, self.make = graph, plan, rng, faults, make
        self.calls = calls or Calls(0, {})
        self.now = 1000.0
        self.pods: dict[tuple[Item, int], Pod] = {}
        self.commits: dict[Item, Commit] = {}
        self.collected: dict[Item, Commit] = {}
        """Commits of map nodes themselves."""
        self.errors: dict[str, ErrorRecord] = {}
        self.attempts: dict[Item, int] = {}
        self.user_failures: dict[Item, int] = {}
        self.shortages: dict[Item, int] = {}
        self.runs_after_commit: list[Item] = []
        self.created: list[tuple[Item, int]] = []
        self.status: bytes | None = None
        self.cached: dict[Item, str] = {}
        """Keys of the items whose results the cache was given."""
        self.reserved: dict[Item, str] = {}
        """Keys that are reserved for an item."""
        self.earlier: dict[Item, tuple[str, Commit]] = {}
        """Of the run that this one resumes: each item's input digest and commit."""
        self.digests: dict[Item, str] = {}
        """Input digests of the items that have commits of this run."""
        self.deletions = 0
        """How many pods somebody may still delete behind the operator's back."""
        self.crashes = 0
        self.regrowths = 0
        """Starts at which graphs of dynamic nodes had to be read first."""
        self.children: dict[Item, RunPhase] = {}
        """Child runs, as admin knows them."""
        self.child_inputs: dict[Item, LiteralMap] = {}
        self.watched: dict[Item, str] = {}
        """Launch ids of children whose end the operator of this start waits for, by item."""
        self.wake: float | None = None
        self.state: State
        self.inbox: list[ev.Event] = []
        self.todo: list[cmd.Command] = []
        self.begin()

    def begin(self) -> None:
        """The operator starts: from the status, from pods, from nothing."""
        self.todo, self.wake, self.watched = [], None, {}
        first: ev.Event
        if self.status is None:
            self.state, first = new_state(self.graph, self.now), ev.RunStarted()
        else:
            self.state, first = decode(self.graph, self.status, self.now), ev.RunRestored()
        self.regrowths += self.state.regrowth is not None
        pods = [ev.PodObserved(item, launch, pod.view) for (item, launch), pod in self.pods.items()]
        self.rng.shuffle(pods)
        self.inbox = [first, *pods, ev.PodsListed()]

    def step(self, *, check: bool = False) -> None:
        """The engine takes what is in the inbox, or the first part of it."""
        count = self.rng.randint(1, len(self.inbox)) if self.inbox else 0
        events, self.inbox = self.inbox[:count], self.inbox[count:]
        twin_graph, twin = copy.deepcopy((self.graph, self.state)) if check else (None, None)
        before, changes = encode(self.state), self.state.changes
        commands = step(self.graph, self.state, events, self.now)
        # An operator writes no status after a step that says that it changed nothing.
        assert changes != self.state.changes or (before == encode(self.state) and not commands)
        if twin_graph is not None and twin is not None:
            again = step(twin_graph, twin, events, self.now)
            assert [_frozen(command) for command in again] == [_frozen(command) for command in commands]
            assert encode(twin) == encode(self.state)
        self.todo += [command for command in commands if not isinstance(command, cmd.Publish)]

    def act(self) -> None:
        """The operator carries out one command, in any order."""
        command = self.todo.pop(self.rng.randrange(len(self.todo)))
        if command.needs_status:
            self.status = encode(self.state)
        if isinstance(command, cmd.WakeAt):
            self.wake = command.when
            return
        if isinstance(command, cmd.StoreCache):
            self.keep(command)
            return
        self.inbox.append(self.answer(command))

    def answer(self, command: cmd.Command) -> ev.Event:
        """What a command comes to."""
        if self.faults and self.rng.random() < 0.1:
            failed = self.refuse(command)
            if failed is not None:
                return failed
        if isinstance(command, cmd.CreatePod):
            return self.create(command)
        if isinstance(command, cmd.DeletePod):
            pod = self.pods.pop((command.item, command.launch), None)
            if pod is not None:
                self.inbox.append(ev.PodGone(command.item, command.launch))
            return ev.PodDeleted(command.item, command.launch, gone=pod is None)
        if isinstance(command, cmd.ReadCommit):
            return self.read(command.item)
        if isinstance(command, cmd.ReuseCommit):
            return self.reuse(command)
        if isinstance(command, cmd.ReadError):
            return ev.ErrorRead(command.item, command.launch, self.errors.get(command.launch_id))
        if isinstance(command, cmd.CollectMap):
            return ev.CommitRead(command.item, self.collect(command), "sha256:00")
        if isinstance(command, cmd.CommitNode):
            made = Commit(run_uid="uid-1", inline=command.outputs, signal=command.signal)
            return ev.CommitRead(command.item, self.commits.setdefault(command.item, made), "sha256:00")
        if isinstance(command, cmd.ReadCall):
            key = command.item.node_path, command.call
            made = graphs.made_of(self.calls.records[key])
            return ev.CallRead(command.item, command.call, made, key in self.calls.outcomes)
        if isinstance(command, cmd.CommitCall):
            self.calls.outcomes.setdefault((command.item.node_path, command.call), command)
            return ev.CallCommitted(command.item, command.call)
        if isinstance(command, cmd.LookupCache):
            return self.look_up(command)
        if isinstance(command, cmd.LaunchChild):
            return self.launch_child(command)
        if isinstance(command, cmd.AbortChild):
            return self.abort_child(command)
        assert isinstance(command, cmd.KeepLog)
        return ev.LogKept(command.item, command.launch)

    def read(self, item: Item) -> ev.Event:
        """An item's commit."""
        commit = self.commits.get(item)
        made = graphs.made_of(commit.graph_inline) if commit is not None and commit.graph_inline else None
        return ev.CommitRead(item, commit, "sha256:00", made)

    def reuse(self, command: cmd.ReuseCommit) -> ev.Event:
        """An item's commit, or that of the earlier run where it had the same inputs."""
        digest, commit = self.earlier.get(command.item, ("", Commit()))
        if command.item not in self.commits and digest == command.input_digest:
            made = self.commits[command.item] = Commit()
            made.CopyFrom(commit)
            made.launch_id, made.origin, made.origin_run = "", ORIGIN_REUSE, "old-heron"
            self.digests[command.item] = digest
        return self.read(command.item)

    def collect(self, command: cmd.CollectMap) -> Commit:
        """A map's own commit, made from its items' the first time."""
        if command.item not in self.collected:
            path = command.item.node_path
            rows = [
                {"o0": None} if at in command.missing else graphs.plain(self.commits[Item(path, at)].inline)
                for at in range(command.items)
            ]
            outputs = graphs.literals({name: [row[name] for row in rows] for name in command.outputs})
            self.collected[command.item] = Commit(run_uid="uid-1", launch_id="collected", inline=outputs)
        return self.collected[command.item]

    def refuse(self, command: cmd.Command) -> ev.Event | None:
        """A passing fault."""
        if isinstance(command, cmd.CreatePod):
            return ev.PodRejected(command.item, command.launch, "Quota", "exceeded", True, 1.0)
        if isinstance(
            command,
            cmd.ReadCommit
            | cmd.ReuseCommit
            | cmd.ReadError
            | cmd.LoadValue
            | cmd.CollectMap
            | cmd.CommitNode
            | cmd.ReadCall
            | cmd.CommitCall,
        ):
            return ev.StoreFailed(command, "Store", "503", True)
        return None

    def launch_child(self, command: cmd.LaunchChild) -> ev.Event:
        """The child exists, made now or before."""
        self.watched[command.item] = command.launch_id
        # One that was to be ended before it was made stays ABORTED.
        self.children.setdefault(command.item, RunPhase.RUNNING)
        assert self.child_inputs.setdefault(command.item, command.inputs) == command.inputs
        return self.child_seen(command.item)

    def abort_child(self, command: cmd.AbortChild) -> ev.Event:
        """The child is aborted at once, if it was ever made."""
        self.watched[command.item] = command.launch_id
        if self.children.setdefault(command.item, RunPhase.ABORTED) is RunPhase.RUNNING:
            self.children[command.item] = RunPhase.ABORTED
        return self.child_seen(command.item)

    def child_seen(self, item: Item) -> ev.ChildRunObserved:
        """What the operator tells of a child: its result is committed, its failure recorded, before that."""
        phase, name = self.children[item], self.watched[item]
        if phase is RunPhase.SUCCEEDED:
            made = Commit(run_uid="uid-1", launch_id=name, inline=compute(self.child_inputs[item]))
            commit = self.commits.setdefault(item, made)
            return ev.ChildRunObserved(item, phase, outputs=commit.inline)
        if phase is RunPhase.RUNNING:
            return ev.ChildRunObserved(item, phase, detail="it runs")
        failure = failures.user("ChildFailed", "the child run failed")
        self.errors[name] = ErrorRecord(launch_id=name, failure=failure)
        return ev.ChildRunObserved(item, phase, failure=failure)

    def end_child(self, item: Item) -> None:
        """A child run ends by itself."""
        fate = self.plan(item, 0)
        self.children[item] = RunPhase.SUCCEEDED if fate in ("ok", "silent") else RunPhase.FAILED
        if item in self.watched:
            self.inbox.append(self.child_seen(item))

    def look_up(self, command: cmd.LookupCache) -> ev.Event:
        """Others have made some of the results, and are making some."""
        item = command.item
        luck = self.rng.random()
        if luck < 0.2 and command.reserve:
            return ev.CacheAnswered(item, ev.CacheOutcome.TAKEN, detail="another run")
        if luck < 0.3:
            return ev.CacheAnswered(item, ev.CacheOutcome.UNREACHABLE, detail="no answer in 5 s")
        record = self.state.nodes[self.graph.by_path[item.node_path]]
        place = Place(
            self.graph.nodes[self.graph.by_path[item.node_path]],
            record,
            item.index or 0,
            record.items[item.index or 0],
        )
        if luck < 0.6 and record.inputs is not None and self.plan(item, 0) == "ok":
            made = Commit(inline=compute(item_inputs(place)), origin=ORIGIN_CACHE, origin_run="bold-crane")
            return ev.CacheAnswered(item, ev.CacheOutcome.HIT, self.commits.setdefault(item, made))
        if not command.reserve:
            return ev.CacheAnswered(item, ev.CacheOutcome.MISS)
        self.reserved[item] = command.key
        return ev.CacheAnswered(item, ev.CacheOutcome.RESERVED)

    def keep(self, command: cmd.StoreCache) -> None:
        """What the cache is told is true."""
        item = command.item
        if command.what is cmd.Keep.RESULT:
            assert self.commits[item].origin != ORIGIN_CACHE, "a hit is not kept again"
            assert self.cached.setdefault(item, command.key) == command.key
        if command.what is not cmd.Keep.RENEW:
            self.reserved.pop(item, None)

    def create(self, command: cmd.CreatePod) -> ev.Event:
        """A pod, or the one that is there."""
        key = (command.item, command.launch)
        if key not in self.pods:
            growth = self.graph.task_of(command.item).retry.memory
            grown = grown_memory("1Gi", growth, self.shortages.get(command.item, 0))
            assert command.memory == ("" if grown == "1Gi" else grown)
            self.created.append(key)
            self.pods[key] = Pod(command, f"uid-{len(self.created)}")
            self.observe(key)
        assert self.pods[key].command.launch_id == command.launch_id
        assert self.pods[key].command.input_digest == command.input_digest
        return ev.PodCreated(command.item, command.launch, self.pods[key].view.uid)

    def observe(self, key: tuple[Item, int]) -> None:
        """A watch event."""
        self.inbox.append(ev.PodObserved(*key, self.pods[key].view))

    def live(self) -> list[tuple[Item, int]]:
        """Pods that have not ended."""
        return [key for key, pod in self.pods.items() if not pod.view.ended]

    def play(self, key: tuple[Item, int]) -> None:
        """A pod goes one step further."""
        pod, item = self.pods[key], key[0]
        attempt = self.attempts.get(item, 0)
        if (
            pod.view.phase == "Pending"
            and item not in self.commits
            and self.plan(item, attempt) == "turned-away"
        ):
            self.attempts[item] = attempt + 1
            pod.view = PodView(pod.view.uid, "Failed", reason="Evicted")
        elif pod.view.phase == "Pending":
            pod.view = PodView(pod.view.uid, "Running", started_at=self.now, cluster_node="n1")
        elif item not in self.commits and self.waits(pod):
            return
        else:
            pod.view = self.end(pod)
        self.observe(key)

    def waits(self, pod: Pod) -> bool:
        """Whether an eager pod waits for calls; it says which, as often as it is asked."""
        path, inputs = pod.command.item.node_path, graphs.plain(pod.command.inputs)
        if not pod.command.task.startswith("e"):
            return False
        calls, _ = self.calls.open(path, total(inputs))
        self.inbox += [ev.CallMade(path, call) for call in calls]
        return bool(calls)

    def made(self, command: cmd.CreatePod) -> LiteralMap:
        """What the author's function gives."""
        if not command.task.startswith("e"):
            return compute(command.inputs)
        _, value = self.calls.open(command.item.node_path, total(graphs.plain(command.inputs)))
        return graphs.literals({"o0": value})

    def end(self, pod: Pod) -> PodView:
        """The pod's runtime: start check, user code, commit, last word."""
        command, uid = pod.command, pod.view.uid
        item = command.item
        record = TerminationRecord(launch_id=command.launch_id)
        if item in self.commits:
            record.outcome = TerminationRecord.OUTCOME_SUPERSEDED
            return PodView(uid, "Succeeded", exit_code=0, record=record)
        attempt = self.attempts.get(item, 0)
        self.attempts[item] = attempt + 1
        fate = self.plan(item, attempt)
        if fate == "evict":
            # Its container ran: one evicted before counts on no budget.
            return PodView(uid, "Failed", reason="Evicted", started_at=pod.view.started_at, exit_code=137)
        if fate == "oom":
            self.user_failures[item] = self.user_failures.get(item, 0) + 1
            self.shortages[item] = self.shortages.get(item, 0) + 1
            return PodView(uid, "Failed", exit_code=137, terminated_reason="OOMKilled")
        if fate == "exit0":
            return PodView(uid, "Succeeded", exit_code=0)
        if fate == "user":
            return self.fail(uid, command, record)
        outputs = self.made(command)
        commit = self.commits[item] = Commit(run_uid="uid-1", launch_id=command.launch_id)
        self.digests[item] = command.input_digest
        if command.task.startswith("d") and self.make is not None:
            made = graphs.closure_of(self.make(item.node_path, command.inputs))
            commit.graph_inline = made.SerializeToString(deterministic=True)
        else:
            commit.inline.CopyFrom(outputs)
        if fate == "silent":
            return PodView(uid, "Failed", exit_code=137)
        record.outcome = TerminationRecord.OUTCOME_COMMITTED
        if self.rng.random() < 0.7 and not commit.graph_inline:
            record.outputs.CopyFrom(outputs)
        return PodView(uid, "Succeeded", exit_code=0, record=record)

    def fail(self, uid: str, command: cmd.CreatePod, record: TerminationRecord) -> PodView:
        """The author's code raised."""
        self.user_failures[command.item] = self.user_failures.get(command.item, 0) + 1
        failure = failures.user("UserException", "boom", retryable=True)
        self.errors[command.launch_id] = ErrorRecord(launch_id=command.launch_id, failure=failure)
        if self.rng.random() < 0.5:
            return PodView(uid, "Failed", exit_code=1)
        record.outcome = TerminationRecord.OUTCOME_FAILED
        record.failure.CopyFrom(failure)
        return PodView(uid, "Failed", exit_code=1, record=record)

    def signal(self) -> None:
        """A person answers a gate, perhaps before its turn, perhaps once more; the plan says how."""
        gates = [plan for plan in self.graph.nodes if plan.kind == "gate"]
        waiting = [plan for plan in gates if self.state.nodes[plan.number].phase not in NODE_TERMINAL]
        plan = self.rng.choice(waiting or gates)
        signal = Signal(by="ann")
        if plan.node.gate.HasField("wait_for_input"):
            signal.value.CopyFrom(values.integer(INPUT))
        else:
            signal.approved = self.plan(plan.item, 0) == "ok"
        self.inbox.append(ev.SignalReceived(plan.path, signal))

    def delete_behind(self) -> None:
        """Somebody deletes a pod, whatever its state."""
        self.deletions -= 1
        key = self.rng.choice(list(self.pods))
        del self.pods[key]
        self.inbox.append(ev.PodGone(*key))

    def crash(self) -> None:
        """kill -9: all but the last accepted status is lost."""
        self.crashes += 1
        self.begin()

    def tick(self) -> None:
        """Time passes to the next wake-up."""
        if self.wake is not None:
            self.now = max(self.now, self.wake)
            self.wake = None
            self.inbox.append(ev.TimerFired())

    def random_move(self) -> None:
        """One thing happens."""
        self.now += self.rng.random() * 0.2
        moves: list[tuple[float, Callable[[], None]]] = []
        if self.inbox:
            moves.append((4, lambda: self.step(check=self.rng.random() < 0.05)))
        if self.todo:
            moves.append((6, self.act))
        if self.live():
            moves.append((4, lambda: self.play(self.rng.choice(self.live()))))
        running = [item for item, phase in self.children.items() if phase is RunPhase.RUNNING]
        if running:
            moves.append((2, lambda: self.end_child(self.rng.choice(running))))
        if self.wake is not None:
            moves.append((1, self.tick))
        if self.faults and self.crashes < 6:
            moves.append((0.3, self.crash))
            moves.append((0.5, lambda: setattr(self, "status", encode(self.state))))
        if any(plan.kind == "gate" for plan in self.graph.nodes) and self.state.regrowth is None:
            moves.append((0.5, self.signal))
        if not moves:
            raise AssertionError(f"nothing can happen, and the run is not over\n{self.told()}")
        if self.deletions and self.pods:
            moves.append((0.5, self.delete_behind))
        weights = [weight for weight, _ in moves]
        self.rng.choices([move for _, move in moves], weights)[0]()

    def finish(self, limit: int = 20_000) -> None:
        """Goes on until the run is over and all is answered."""
        for _ in range(limit):
            if self.state.phase in RUN_TERMINAL and not self.inbox and not self.todo and self.has_outputs():
                return
            self.random_move()
        raise AssertionError(f"not over after {limit} moves\n{self.told()}")

    def launched(self) -> set[Item]:
        """Items whose commits launches of theirs wrote."""
        paths = {plan.path for plan in self.graph.nodes if plan.task is not None}
        return {item for item, made in self.commits.items() if item.node_path in paths and not made.origin}

    def has_outputs(self) -> bool:
        """False only after a restart, while they are read again."""
        if self.state.regrowth is not None:
            return False
        return self.state.phase is not RunPhase.SUCCEEDED or self.state.outputs is not None

    def told(self) -> str:
        """The run's story and where every node stands, for a failing test."""
        phases = [
            f"{plan.path}: {record.phase.name} {[item.phase.name for item in record.items]}"
            for plan, record in zip(self.graph.nodes, self.state.nodes, strict=True)
        ]
        return "\n".join([*story(self.graph, self.state), *phases])


def compute(inputs: LiteralMap) -> LiteralMap:
    """What every task computes: one more than the sum of all integers it is given."""
    return graphs.literals({"o0": 1 + total(graphs.plain(inputs))})


def total(value: Any) -> int:
    """The sum of all integers in plain data."""
    if isinstance(value, dict):
        return sum(total(item) for item in value.values())
    if isinstance(value, list):
        return sum(total(item) for item in value)
    return 0 if isinstance(value, str) else int(value or 0)


def _frozen(command: cmd.Command) -> str:
    return repr(command)
