"""A cluster, a store and an admin in memory, and operators that die between one word to them and the next.

Everything of the operator is real: fleet, driver, actions, engine, outbox. What it talks to counts each crossing (before
and after every write, read, publication or question), and at the crossing that is chosen the operator is no more: what it has
asked for has happened or not, and nothing of it has any effect from then on.
"""

import asyncio
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import engine_graphs as graphs
from crash_calls import TOKEN_KEY, EagerPods
from engine_world import Make, Plan, compute, total
from memory_admin import Child, ChildState, MemoryAdmin
from memory_api import MemoryApi, Object
from memory_store import ROOT, MemoryStore
from referee import CHECKED, COMMITTED, STARTED
from referee import Event as Told

from limosa_engine import Item
from limosa_engine.phases import RunPhase
from limosa_engine.settings import EngineSettings
from limosa_idl.admin.v1alpha1.admin_pb2 import LookupCacheRequest, LookupCacheResponse, StoreCacheRequest
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit, Epoch, ErrorRecord, RunSpec, Snapshot, TerminationRecord
from limosa_model import failures
from limosa_model.digests import serialize, sha256_hex
from limosa_model.layout import commit_key, error_key, run_prefix
from limosa_model.manifest import to_manifest
from limosa_model.pod_contract import PodEnvironment, encode_termination
from limosa_propeller.admin_link.outbox import Outbox, is_end
from limosa_propeller.clock import Clock
from limosa_propeller.kube.pace import Pace
from limosa_propeller.kube.verbs import PODS, Resource
from limosa_propeller.metrics import Metrics
from limosa_propeller.runs.capacity import Capacity, Limits
from limosa_propeller.runs.division import Division
from limosa_propeller.runs.fleet import Fleet
from limosa_propeller.runs.removals import Removals
from limosa_propeller.runs.services import RUNS, Services
from limosa_propeller.settings import AdminSettings, OperatorSettings
from limosa_propeller.timers import Timers
from limosa_store.store import Store

_Answer = TypeVar("_Answer")

RUN_UID, NAME = "run-uid", "calm-heron"
PREFIX = run_prefix("demo", "development", NAME, RUN_UID)
LATENCY_S = 0.002
"""Of a word to any of them, and of news from the API server."""
LONGEST_S = 100_000.0
"""Of virtual time; a run that takes longer hangs."""


Death = tuple[str, int]
"""The crossing at which an operator dies: the n-th, from 0, of those whose names begin so; even ones come before an effect."""
CROSSINGS = (
    "",
    "create",
    "status",
    "delete",
    "publish",
    "put",
    "store",
    "look up",
    "tell cache",
    "look at child",
    "log",
)


class Killed(BaseException):
    """kill -9 at this very point."""


class Life:
    """One operator process, from its start to its death."""

    def __init__(self, death: Death | None) -> None:
        """Takes when it dies; None: never."""
        self._word, self._left = death or ("never", 0)
        self.crossed: list[str] = []
        self.over = asyncio.Event()

    def point(self, what: str) -> None:
        """A crossing; the last one kills."""
        if not self.over.is_set():
            self.crossed.append(what)
            if what.startswith(self._word):
                self._left -= 1
                if self._left < 0:
                    self.over.set()
        if self.over.is_set():
            raise Killed(what)

    async def cross(self, what: str, effect: Callable[[], _Answer]) -> _Answer:
        """Has an effect take place, unless death comes before it; death after it takes the answer along."""
        try:
            self.point(what)
            try:
                answer = effect()
            finally:
                self.point(what)
        except Killed:
            # Nobody gets to know of it: the process is no more.
            await asyncio.Event().wait()
            raise
        await asyncio.sleep(LATENCY_S)
        if self.over.is_set():
            await asyncio.Event().wait()
        return answer


class World:
    """Runs one run through any number of operators; every choice follows from the seed.

    Args:
        spec: The graph, as `engine_graphs` has it.
        plan: How attempts end.
        make: What dynamic tasks commit.
        seed: Of the times that pods take.
        live_pods: Of the run.
        clocks: By how many seconds each operator's clock is wrong, from the first on; later ones' are right.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        plan: Plan,
        make: Make,
        seed: int,
        *,
        live_pods: int = 100,
        clocks: Sequence[float] = (),
    ) -> None:
        self._plan, self._make, self._seed = plan, make, seed
        self.live_pods, self.clocks = live_pods, clocks
        self.loop = asyncio.get_running_loop()
        self.api = MemoryApi(created=self._schedule)
        self.store = MemoryStore({})
        self.eager = EagerPods(self.store, PREFIX, RUN_UID, seed, spec["tasks"])
        self.admin = MemoryAdmin(
            child_ends=lambda path: (self._luck(path) * 20, plan(Item(path), 0) in ("ok", "silent")),
            hits=lambda item: plan(_item_of(item), 0) == "ok",
            approves=lambda path: plan(Item(path), 0) == "ok",
            outputs=compute,
            now=self.loop.time,
        )
        self.told: list[Told] = []
        """What pods told the referee."""
        self.launched: list[PodEnvironment] = []
        self.late: list[str] = []
        """Launches that were made although their item had its commit."""
        self.lives: list[Life] = []
        self.attempts: dict[Item, int] = {}
        self._checked: set[str] = set()
        self.done = asyncio.Event()
        data = serialize(graphs.closure_of(dict(spec)))
        given = RunSpec(run_uid=RUN_UID, name=NAME, project="demo", domain="development", closure=data)
        given.closure_digest = sha256_hex(data)
        given.inputs.CopyFrom(graphs.literals({"a": 2}))
        self.api.create(RUNS, to_manifest(given, Epoch(generation=1, number=1)))

    @property
    def status(self) -> Object:
        """Of the run's object, while there is one."""
        found: Object = self.api.get(RUNS, NAME)["status"]
        return found

    async def run(self, deaths: Sequence[Death]) -> None:
        """One operator after another, each until its death; the last one lives until nothing is left to do."""
        for death in [*deaths, None]:
            life = Life(death)
            self.lives.append(life)
            operator = Operator(self, life)
            begun = asyncio.ensure_future(operator.work())
            ended = [asyncio.ensure_future(one.wait()) for one in (life.over, self.done)]
            await asyncio.wait([begun, *ended], timeout=LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
            hung = not (life.over.is_set() or self.done.is_set())
            if begun.done() and not begun.cancelled() and not isinstance(begun.exception(), Killed):
                begun.result()
            life.over.set()
            for task in (begun, *ended):
                task.cancel()
            operator.bury()
            await asyncio.gather(begun, *ended, return_exceptions=True)
            assert not hung, f"nothing came of it: {self.api.objects}"
            if self.done.is_set():
                return

    def abort_in(self, seconds: float) -> None:
        """A person ends the run after a while, if it is there then; admin has its object say so."""

        def tell() -> None:
            if ("workflowruns", NAME) in self.api.objects:
                self.api.merge(RUNS, NAME, {"spec": {"desired": "ABORT", "abortReason": "enough"}})

        self.loop.call_later(seconds, tell)

    def publish(self, batch: list[Snapshot]) -> None:
        """Snapshots reach admin; an end must stand in the run's object before."""
        for shot in batch:
            if is_end(shot):
                assert self.status["phase"] == RunPhase(shot.run.phase).name, (
                    "an end was told before it was written"
                )
        self.admin.publish(batch)

    # The kubelet

    def _luck(self, text: str) -> float:
        return random.Random(zlib.crc32(f"{self._seed}/{text}".encode())).random()

    def _schedule(self, pod: Object) -> None:
        env = {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0]["env"]}
        told = PodEnvironment.from_environ(env)
        if self._commit_of(told) is not None:
            self.late.append(f"{told.node_path} {told.index} launch {told.launch} of {told.task}")
        self.launched.append(told)
        self._later(pod, 0.1 + self._luck(told.launch_id), lambda: self._begin(pod, told))

    def _later(self, pod: Object, seconds: float, then: Callable[[], None]) -> None:
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]

        def fire() -> None:
            found = self.api.objects.get(("pods", name))
            if found is None or found["metadata"]["uid"] != uid:
                return
            if found["metadata"].get("deletionTimestamp"):
                self.api.remove("pods", name)
            else:
                then()

        self.loop.call_later(seconds, fire)

    def _begin(self, pod: Object, told: PodEnvironment) -> None:
        item, name = Item(told.node_path, told.index), pod["metadata"]["name"]
        attempt = self.attempts.get(item, 0)
        committed = self._commit_of(told) is not None
        if not committed and self._plan(item, attempt) == "turned-away":
            self.attempts[item] = attempt + 1
            self.api.set_pod_status(name, {"phase": "Failed", "reason": "Evicted"})
            return
        self._tell(told, CHECKED)
        if not committed:
            self._tell(told, STARTED)
        running = {"name": "task", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
        self.api.set_pod_status(name, {"phase": "Running", "containerStatuses": [running]})
        self._later(pod, self._luck(f"{told.launch_id} runs"), lambda: self._end(pod, told, committed))

    def _end(self, pod: Object, told: PodEnvironment, committed: bool) -> None:
        item, name = Item(told.node_path, told.index), pod["metadata"]["name"]
        if not committed and told.task.startswith("e") and self._calls(told)[0]:
            self._later(pod, 0.3, lambda: self._end(pod, told, committed))
            return
        record = TerminationRecord(launch_id=told.launch_id)
        if committed:
            record.outcome = TerminationRecord.OUTCOME_SUPERSEDED
            self._terminated(name, 0, record)
            return
        attempt = self.attempts.get(item, 0)
        self.attempts[item] = attempt + 1
        fate = self._plan(item, attempt)
        if fate == "evict":
            self._terminated(name, 137, None, status={"reason": "Evicted"})
        elif fate == "oom":
            self._terminated(name, 137, None, reason="OOMKilled")
        elif fate == "exit0":
            self._terminated(name, 0, None)
        elif fate == "user":
            self._fail(name, told, record)
        else:
            self._succeed(name, told, record, silent=fate == "silent")

    def _fail(self, name: str, told: PodEnvironment, record: TerminationRecord) -> None:
        failure = failures.user("UserException", "boom", retryable=True)
        noted = ErrorRecord(run_uid=RUN_UID, launch_id=told.launch_id, failure=failure)
        self.store.put(error_key(PREFIX, told.launch_id), serialize(noted))
        record.outcome = TerminationRecord.OUTCOME_FAILED
        record.failure.CopyFrom(failure)
        self._terminated(name, 1, record if self._luck(f"{told.launch_id} says") < 0.5 else None)

    def _succeed(self, name: str, told: PodEnvironment, record: TerminationRecord, *, silent: bool) -> None:
        inputs = self._inputs(told)
        commit = Commit(run_uid=RUN_UID, launch_id=told.launch_id, task=told.task)
        commit.epoch.CopyFrom(Epoch(generation=1, number=1))
        commit.input_digest = told.input_digest
        if told.task.startswith("d"):
            commit.graph_inline = serialize(graphs.closure_of(self._make(told.node_path, inputs)))
        elif told.task.startswith("e"):
            commit.inline.CopyFrom(graphs.literals({"o0": self._calls(told)[1]}))
        else:
            commit.inline.CopyFrom(compute(inputs))
        key = commit_key(PREFIX, told.node_path, told.index)
        won = self.store.put_if_absent(key, serialize(commit))
        if won:
            self._tell(told, COMMITTED)
        record.outcome = TerminationRecord.OUTCOME_COMMITTED if won else TerminationRecord.OUTCOME_SUPERSEDED
        if won and not commit.graph_inline and self._luck(f"{told.launch_id} says") < 0.7:
            record.outputs.CopyFrom(commit.inline)
        self._terminated(name, 137 if silent else 0, None if silent else record)

    def _calls(self, told: PodEnvironment) -> tuple[bool, int]:
        return self.eager.open(told.node_path, total(graphs.plain(self._inputs(told))))

    def _inputs(self, told: PodEnvironment) -> LiteralMap:
        if told.inputs is not None:
            return told.inputs
        key = self.store.key(told.inputs_uri)
        assert key is not None
        return LiteralMap.FromString(self.store.get(key))

    def _commit_of(self, told: PodEnvironment) -> bytes | None:
        return self.store.objects.get(commit_key(PREFIX, told.node_path, told.index))

    def _terminated(
        self,
        name: str,
        exit_code: int,
        record: TerminationRecord | None,
        reason: str = "",
        status: Mapping[str, str] | None = None,
    ) -> None:
        ended: Object = {"exitCode": exit_code, "startedAt": "2026-01-01T00:00:00Z", "reason": reason}
        if record is not None:
            ended["message"] = encode_termination(record)
        phase = "Failed" if exit_code else "Succeeded"
        statuses = [{"name": "task", "state": {"terminated": ended}}]
        self.api.set_pod_status(name, {"phase": phase, "containerStatuses": statuses, **(status or {})})

    def _tell(self, told: PodEnvironment, what: str) -> None:
        found = Told(RUN_UID, told.node_path, told.index, told.launch, told.launch_id, told.epoch, what)
        self.told.append(found)


class Operator:
    """One operator process: its parts, wired as the supervisor wires them, and a plain link to admin."""

    def __init__(self, world: World, life: Life) -> None:
        self._world, self._life = world, life
        loop = world.loop
        number = len(world.lives) - 1
        wrong = world.clocks[number] if number < len(world.clocks) else 0.0
        clock = Clock(read=lambda: 1_700_000_000 + wrong + loop.time(), elapsed=loop.time)
        self._outbox = Outbox()
        self._timers = Timers(loop)
        verbs = _Verbs(world.api, life)
        self._services = Services(
            settings=OperatorSettings(admin=AdminSettings("admin:1"), status_interval_seconds=0.2),
            engine=EngineSettings(live_pods=world.live_pods),
            verbs=verbs,  # type: ignore[arg-type]
            store=_Store(world.store, life),  # type: ignore[arg-type]
            clock=clock,
            timers=self._timers,
            namespaces=_Tenant(),  # type: ignore[arg-type]
            secrets=_Secrets(),  # type: ignore[arg-type]
            templates=_Templates(),  # type: ignore[arg-type]
            capacity=Capacity(Limits(100, 100), clock=loop.time),
            pace=Pace(64),
            removals=Removals(verbs, 4, 0.2),  # type: ignore[arg-type]
            snapshots=self._outbox,
            division=Division(),
            children=_Children(world, life),
            cache=_Cache(world.admin, life),
            metrics=Metrics(),
        )
        self.fleet = Fleet(self._services)
        self._tasks: list[asyncio.Task[None]] = []

    async def work(self) -> None:
        """Reads the cluster, then follows it."""
        world = self._world
        world.api.watcher = self._watch
        await self.fleet.resync()
        await asyncio.gather(self._publish(), self._sync(), self._resync())

    def bury(self) -> None:
        """Ends what the dead process has left on the event loop."""
        self._world.api.watcher = lambda kind, plural, found: None
        self.fleet.close()
        self._timers.close()

    def _watch(self, kind: str, plural: str, found: Object) -> None:
        def tell() -> None:
            if self._life.over.is_set() or not self.fleet.synced:
                return
            if plural == RUNS.plural:
                self.fleet.observe_run(kind, found)
            elif plural == PODS.plural:
                self.fleet.observe_pod(kind, found)

        self._world.loop.call_later(LATENCY_S, tell)

    async def _publish(self) -> None:
        while True:
            await self._outbox.filled.wait()
            batch = self._outbox.batch(500)
            await self._life.cross("publish", lambda batch=batch: self._world.publish(batch))
            self._outbox.sent(batch)
            await asyncio.sleep(0.03)

    async def _sync(self) -> None:
        """Knows the run's object, passes signals on until they are taken, and forgets the run when admin has its end."""
        world = self._world
        self._outbox.go_on_from(RUN_UID, world.admin.greatest_number)
        while True:
            for driver in list(self.fleet.drivers.values()):
                driver.confirm()
                driver.word.give_call_key(TOKEN_KEY)
            await asyncio.sleep(0.5)
            for driver in list(self.fleet.drivers.values()):
                taken = {*driver.word.signals_taken(), *driver.word.calls_taken()}
                driver.signalled(one for path, one in world.admin.signals.items() if path not in taken)
                driver.called([path for path in world.eager.told() if path not in taken])
                if world.admin.end is not None and driver.over and not self._outbox.waits_for(RUN_UID):
                    await self._services.verbs.delete(RUNS, driver.namespace, driver.name, driver.uid)
            left = {plural for plural, _ in world.api.objects} - {"events"}
            if not left and not len(self._outbox):
                world.done.set()

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(45)
            await self.fleet.resync()
            self._world.admin.reservations_run_out()


class _Verbs:
    """The API server as one life reaches it."""

    def __init__(self, api: MemoryApi, life: Life) -> None:
        self._api, self._life = api, life

    async def list(self, resource: Resource, namespace: str | None, labels: str = "") -> Any:
        return await self._life.cross(f"list {resource.plural}", lambda: self._api.list(resource))

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        return await self._life.cross(f"get {name}", lambda: self._api.get(resource, name))

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        name = body["metadata"]["name"]
        return await self._life.cross(f"create {name}", lambda: self._api.create(resource, body))

    async def merge(self, resource: Resource, namespace: str | None, name: str, patch: Object) -> Object:
        return await self._life.cross(f"merge {name}", lambda: self._api.merge(resource, name, patch))

    async def replace_status(
        self, resource: Resource, namespace: str, name: str, uid: str, status: bytes
    ) -> None:
        await self._life.cross(
            f"status {name}", lambda: self._api.replace_status(resource, name, uid, status)
        )

    async def log_tail(self, namespace: str, pod: str, container: str, lines: int) -> bytes:
        return await self._life.cross(f"log {pod}", lambda: b"Killed")

    async def delete_collection(self, resource: Resource, namespace: str, labels: str) -> None:
        await self._life.cross("delete many", lambda: self._api.delete_collection(resource, labels))

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        uid: str = "",
        grace_seconds: int | None = None,
    ) -> None:
        await self._life.cross(f"delete {name}", lambda: self._api.delete(resource, name, uid))


class _Store:
    """The store as one life reaches it: death may come between two writes of one piece of work."""

    root = ROOT

    def __init__(self, store: MemoryStore, life: Life) -> None:
        self._store, self._life = MemoryStore(store.objects, life.point), life

    async def call(self, work: Callable[[Store], _Answer]) -> _Answer:
        return await self._life.cross("store", lambda: work(self._store))  # type: ignore[arg-type]


class _Cache:
    """The cache in admin as one life reaches it."""

    def __init__(self, admin: MemoryAdmin, life: Life) -> None:
        self._admin, self._life = admin, life

    async def lookup(self, lookup: LookupCacheRequest.Lookup) -> LookupCacheResponse.Answer | None:
        return await self._life.cross("look up", lambda: self._admin.look_up(lookup))

    def tell(self, result: StoreCacheRequest.Result) -> None:
        self._life.point("tell cache")
        self._admin.keep(result)
        self._life.point("tell cache")


class _Children:
    """Child runs in admin as one life reaches them."""

    def __init__(self, world: World, life: Life) -> None:
        self._world, self._life = world, life
        self._told: list[tuple[Child, Callable[[ChildState | None], None]]] = []

    def follow(self, child: Child, tell: Callable[[ChildState | None], None]) -> None:
        self._told.append((child, tell))
        self._look(child, tell)

    def forget(self, child: Child, tell: Callable[[ChildState | None], None]) -> None:
        self._told = [one for one in self._told if one[1] is not tell]

    def _look(self, child: Child, tell: Callable[[ChildState | None], None]) -> None:
        if self._life.over.is_set() or (child, tell) not in self._told:
            return
        self._life.point("look at child")
        state = self._world.admin.look_at(child)
        self._life.point("look at child")
        self._world.loop.call_later(LATENCY_S, tell, state)
        self._world.loop.call_later(1.0, self._look, child, tell)


class _Tenant:
    async def tenant(self, namespace: str) -> tuple[str, str]:
        return "demo", "development"


class _Secrets:
    async def refusal(self, namespace: str, secrets: set[str]) -> str:
        return ""


class _Templates:
    async def get(self, namespace: str, name: str) -> Object | None:
        return None


def _item_of(text: str) -> Item:
    path, _, index = text.removesuffix("]").partition("[")
    return Item(path, int(index) if index else None)
