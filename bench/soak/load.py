"""The load: people who start runs, answer gates, abort, and follow each run to its end, whatever happens to the platform."""

import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kinds import ABORT, APPROVE, FAILED, REJECT, Deed, Ending, Order, draw
from platform_rig import runs
from platform_rig.sandbox import Sandbox

from limosa.errors import LimosaError
from limosa.remote import Client, RemoteError
from limosa_idl.admin.v1alpha1 import admin_pb2
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import values
from limosa_model.names import ANNOTATION_SANDBOX_PYTHON

END_WITHIN_S = 240.0
"""An accepted run that has not ended so long after its acceptance is lost."""
PATIENCE_S = 180.0
"""Seconds for which a call is repeated while the platform is down."""
_AGAIN_S = 0.5
_NODE_ENDS = {
    run_pb2.NODE_PHASE_SUCCEEDED,
    run_pb2.NODE_PHASE_FAILED,
    run_pb2.NODE_PHASE_SKIPPED,
    run_pb2.NODE_PHASE_ABORTED,
}
_LAUNCH_ENDS = {
    run_pb2.LAUNCH_PHASE_SUCCEEDED,
    run_pb2.LAUNCH_PHASE_FAILED,
    run_pb2.LAUNCH_PHASE_ABORTED,
    run_pb2.LAUNCH_PHASE_SUPERSEDED,
}

_Answer = TypeVar("_Answer")


@dataclass
class Outcome:
    """What became of an order.

    Attributes:
        order: What was wanted.
        name: The run's.
        uid: The run's, once it was accepted.
        phase: Its terminal phase; empty while, or where, there is none.
        accepted_at: Monotonic seconds.
        took_s: From its acceptance to the news of its end.
        wrong: Why this is not what was promised; empty where it is.
    """

    order: Order
    name: str
    uid: str = ""
    phase: str = ""
    accepted_at: float = 0.0
    took_s: float = 0.0
    wrong: str = ""


@dataclass
class Load:
    """A number of people, each with one run at a time: what is under way is bounded, and about the same all the time.

    Args:
        sandbox: The platform, for the author whose pods report to the referee.
        version: Under which the workflows are registered.
        seed: What the runs are drawn from.
        rate: Most runs started per second.
    """

    sandbox: Sandbox
    version: str
    seed: int
    rate: float
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next_at = time.monotonic()
        self._numbers = itertools.count()
        self._people: list[threading.Thread] = []

    def start(self, people: int) -> None:
        """Lets people come."""
        self._people = [threading.Thread(target=self._work, name=f"person-{n}") for n in range(people)]
        for person in self._people:
            person.start()

    def finish(self) -> None:
        """Starts no further runs and returns when all that were accepted have ended, or are lost."""
        self._stop.set()
        for person in self._people:
            person.join()

    @property
    def under_way(self) -> int:
        """Runs that were accepted and whose end is not known."""
        return sum(1 for outcome in list(self.outcomes) if outcome.uid and not outcome.took_s)

    def _work(self) -> None:
        with self.sandbox.client() as client:
            while (outcome := self._take_turn()) is not None:
                self._follow(client, outcome, self._create)
                if outcome.order.then is not None and outcome.phase == FAILED:
                    self._resume(client, outcome, outcome.order.then)

    def _take_turn(self) -> Outcome | None:
        with self._lock:
            begin, self._next_at = self._next_at, max(self._next_at, time.monotonic()) + 1 / self.rate
        if self._stop.wait(max(0.0, begin - time.monotonic())):
            return None
        with self._lock:
            number = next(self._numbers)
            order = draw(random.Random(f"{self.seed}-{number}"))
            outcome = Outcome(order, f"soak-{number}")
            self.outcomes.append(outcome)
        return outcome

    def _resume(self, client: Client, old: Outcome, order: Order) -> None:
        outcome = Outcome(order, f"{old.name}-again")
        with self._lock:
            self.outcomes.append(outcome)
        self._follow(client, outcome, lambda client, new: _resumption(client, old.name, new.name))

    def _follow(
        self, client: Client, outcome: Outcome, create: Callable[[Client, Outcome], admin_pb2.Run]
    ) -> None:
        began = time.monotonic()
        try:
            outcome.uid = insist(lambda: create(client, outcome)).uid
            began = outcome.accepted_at = time.monotonic()
            deeds = threading.Thread(target=self._do, args=(outcome, began))
            deeds.start()
            ended = insist(lambda: runs.await_end(client, outcome.name, END_WITHIN_S))
            deeds.join()
            outcome.phase, outcome.took_s = ended.phase, time.monotonic() - began
            if ended.uid != outcome.uid:
                outcome.wrong = f"was accepted as {outcome.uid}, ended as {ended.uid}"
                return
            outcome.wrong = self._check(client, outcome, ended)
        except LimosaError as error:
            outcome.took_s = time.monotonic() - began
            outcome.wrong = f"{error.code}: {error.message}"

    def _create(self, client: Client, outcome: Outcome) -> admin_pb2.Run:
        name = f"soak_flows.{outcome.order.workflow}"
        target = client.entity_id(admin_pb2.ENTITY_KIND_WORKFLOW, name, self.version)
        inputs = {key: values.integer(value) for key, value in outcome.order.inputs.items()}
        # The same call again gives the same run, so it may be repeated without an answer.
        return client.create_run(
            outcome.name,
            target,
            LiteralMap(literals=inputs),
            annotations={ANNOTATION_SANDBOX_PYTHON: str(self.sandbox.author_python)},
        )

    def _do(self, outcome: Outcome, began: float) -> None:
        with self.sandbox.client() as client:
            for deed in sorted(outcome.order.deeds, key=lambda deed: deed.after_s):
                time.sleep(max(0.0, began + deed.after_s - time.monotonic()))
                try:
                    insist(lambda deed=deed: _carry_out(client, outcome.name, deed))
                except RemoteError as error:
                    # It was over first: by another deed, or a repeated call of this one.
                    if error.code != RemoteError.PRECONDITION:
                        outcome.wrong = f"{deed.what} was refused: {error.message}"

    def _check(self, client: Client, outcome: Outcome, ended: runs.Ended) -> str:
        if outcome.wrong:
            return outcome.wrong
        fitting = [ending for ending in outcome.order.endings if ending.phase == ended.phase]
        if not fitting:
            return f"{ended.phase} ({ended.failure.code}: {ended.failure.message})"
        differs = min((self._differs(client, outcome.name, ending, ended) for ending in fitting), key=len)
        return differs or _unfinished(insist(lambda: client.get_run(outcome.name)))

    def _differs(self, client: Client, name: str, ending: Ending, ended: runs.Ended) -> str:
        if ending.code and ended.failure.code != ending.code:
            return f"failed with {ended.failure.code} in place of {ending.code}: {ended.failure.message}"
        if ending.outputs is None:
            return ""
        path = "" if ended.phase == "SUCCEEDED" else "on-failure"
        found = insist(lambda: _outputs(client, name, path))
        return "" if found == ending.outputs else f"gave {found} in place of {dict(ending.outputs)}"


def register(sandbox: Sandbox, folder: Path, referee: str) -> str:
    """Registers the workflows; gives their version."""
    folder.mkdir()
    (folder / "limosa.toml").touch()
    (folder / "told.py").write_text(f"TOLD = {{'REFEREE': {referee!r}}}\n")
    file = folder / "soak_flows.py"
    file.write_text(Path(__file__).with_name("flows.py").read_text())
    rows: list[dict[str, Any]] = json.loads(runs.limosa(sandbox, "register", "-o", "json", str(file)))
    (version,) = {row["version"] for row in rows}
    return str(version)


def insist(call: Callable[[], _Answer]) -> _Answer:
    """Repeats a call while the platform is down. Raises RemoteError: it was refused, or is down for too long."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except RemoteError as error:
            if error.code != RemoteError.UNREACHABLE or time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN_S)


def _resumption(client: Client, old: str, new: str) -> admin_pb2.Run:
    return client.resume_run(old, new, version="", from_nodes=(), dry_run=False, annotations={}).run


def _carry_out(client: Client, name: str, deed: Deed) -> None:
    if deed.what == ABORT:
        client.abort_run(name, "the soak")
        return
    signal = run_pb2.Signal(node_path=deed.node)
    if deed.what in (APPROVE, REJECT):
        signal.approved = deed.what == APPROVE
    else:
        signal.value.CopyFrom(values.integer(deed.value))
    client.signal_run(name, signal)


def _unfinished(detail: admin_pb2.RunDetail) -> str:
    """What a run that is over shows as not over: people would wait for it."""
    found = [
        f"{one.key.node_path}[{one.key.index if one.key.HasField('index') else ''}]#{one.key.launch}"
        for one in detail.snapshots
        if (one.WhichOneof("state") == "node" and one.node.phase not in _NODE_ENDS)
        or (one.WhichOneof("state") == "launch" and one.launch.phase not in _LAUNCH_ENDS)
    ]
    return f"ended, but shows as under way: {', '.join(found)}" if found else ""


def _outputs(client: Client, name: str, path: str) -> Mapping[str, Any]:
    literals = client.run_data(name, path, None).outputs.literals
    return {key: values.to_plain(literal) for key, literal in literals.items()}
