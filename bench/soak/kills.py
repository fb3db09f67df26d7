"""Who is killed when, and how long it takes until each is back."""

import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
import psycopg2
from platform_rig.sandbox import PODS, Sandbox

from limosa_model.names import ANNOTATION_INDEX, ANNOTATION_NODE_PATH, ANNOTATION_RUN_UID

OPERATOR, ADMIN, POSTGRES, STORE = "operator", "admin", "postgres", "storage"
API_SERVER = "API server"
"""With the node, in the sandbox's own process: its death is that of all parts, pods excepted."""
POD, POD_OBJECT = "pod's process", "pod's object"
FROZEN = ", frozen"
"""After a part's name: stopped (SIGSTOP) for a while, as a machine that swaps or sleeps stops it."""

MOST_PER_ITEM = 2
"""Pods of a node item that are killed, so that its system retries (3) suffice."""
BACK_WITHIN_S = 90.0
LONGEST_FREEZE_S = 20.0
"""Longer than the operator's lease lasts."""
_TWICE = 0.25
"""Chance that the API server is killed again while it comes up."""
_POLL_S = 0.03
_MISSED_S = 0.3
"""Until another try where there was no victim."""


@dataclass(frozen=True)
class Act:
    """A part of the soak.

    Attributes:
        share: Of its time.
        pauses_s: Mean seconds between two kills of each victim, less in a short soak; who is not named is spared, and
            so gets old.
    """

    share: float
    pauses_s: dict[str, float]


ACTS = (
    Act(0.35, {POD: 8, POD_OBJECT: 20, ADMIN: 25, POSTGRES: 40, STORE: 60}),
    Act(0.35, {POD: 8, POD_OBJECT: 20, OPERATOR: 25, POSTGRES: 40, STORE: 60}),
    Act(
        0.30,
        {POD: 8, POD_OBJECT: 20, ADMIN: 40, OPERATOR: 40, POSTGRES: 50, STORE: 60, API_SERVER: 50}
        | {API_SERVER + FROZEN: 90, OPERATOR + FROZEN: 90, ADMIN + FROZEN: 90},
    ),
)
"""Operator and API server live through the first, admin and API server through the second."""


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
        victim: Who it was.
        at_s: Seconds since the soak began.
        back_s: Seconds until the victim answered again; None where that is not looked at (pods).
    """

    victim: str
    at_s: float
    back_s: float | None


@dataclass
class Killer:
    """Kills as chance, by a seed, says. `run` is its whole work; `began` is when that began, monotonic seconds."""

    sandbox: Sandbox
    seed: int
    seconds: float
    acts: tuple[Act, ...] = ACTS
    kills: list[Kill] = field(default_factory=list)
    not_back: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self.began = time.monotonic()
        self._items: Counter[tuple[str, ...]] = Counter()
        self._watches: list[threading.Thread] = []

    def run(self) -> None:
        """Kills until the time is over, and waits until everyone is back."""
        self.began = begins = time.monotonic()
        for act in self.acts:
            ends = begins + act.share * self.seconds
            self._play(act, begins, ends)
            begins = ends
        for watch in self._watches:
            watch.join()

    def _play(self, act: Act, begins: float, ends: float) -> None:
        means = {victim: min(mean, (ends - begins) / 2) for victim, mean in act.pauses_s.items()}
        due = {victim: begins + self._pause(mean) for victim, mean in means.items()}
        while True:
            victim = min(due, key=lambda one: due[one])
            if due[victim] >= ends:
                time.sleep(max(0.0, ends - time.monotonic()))
                return
            time.sleep(max(0.0, due[victim] - time.monotonic()))
            struck = self._strike(victim)
            due[victim] = time.monotonic() + (self._pause(means[victim]) if struck else _MISSED_S)

    def _pause(self, mean: float) -> float:
        return self._chance.expovariate(1 / mean)

    def _strike(self, victim: str) -> bool:
        """Whether there was someone to strike."""
        if victim == API_SERVER:
            self._kill_api_server()
            return True
        if victim in (POD, POD_OBJECT):
            return self._kill_pod(victim)
        if victim.endswith(FROZEN):
            return self._freeze(victim.removesuffix(FROZEN))
        return self._kill_part(victim)

    def _kill_api_server(self) -> None:
        began = time.monotonic()
        self.sandbox.kill()
        if self._chance.random() < _TWICE:
            self.sandbox.launch()
            time.sleep(self._chance.uniform(0, 3))
            self._note(API_SERVER, began, None)
            began = time.monotonic()
            self.sandbox.kill()
        # As systemd or a kubelet would.
        self.sandbox.start()
        self._note(API_SERVER, began, time.monotonic() - began)

    def _kill_part(self, name: str) -> bool:
        pid = self.sandbox.pid(name)
        if not pid:
            return False
        began = time.monotonic()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self._watch(name, name, lambda: self.sandbox.pid(name) not in (0, pid), began)
        return True

    def _freeze(self, name: str) -> bool:
        pid = self.sandbox.pid("cluster" if name == API_SERVER else name)
        if not pid:
            return False
        try:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self._chance.uniform(1, LONGEST_FREEZE_S))
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            # It was about to end by itself.
            return False
        self._watch(name + FROZEN, name, lambda: True, time.monotonic())
        return True

    def _watch(self, victim: str, name: str, lives: Callable[[], bool], began: float) -> None:
        """Notes when a victim is back, without waiting for it."""
        watch = threading.Thread(target=self._await_back, args=(victim, name, lives, began))
        watch.start()
        self._watches.append(watch)

    def _await_back(self, victim: str, name: str, lives: Callable[[], bool], began: float) -> None:
        answers = self._readiness(name)
        while time.monotonic() - began < BACK_WITHIN_S:
            if lives() and answers():
                self._note(victim, began, time.monotonic() - began)
                return
            time.sleep(_POLL_S)
        self.not_back.append(victim)

    def _readiness(self, name: str) -> Callable[[], bool]:
        ports = json.loads((self.sandbox.home / "ports.json").read_text())
        if name == POSTGRES:
            return lambda: _connects(self.sandbox.state()["database_url"])
        # Who asks without a signature or a token is refused, and so answered.
        port, path, status = {
            ADMIN: ("admin_http", "readyz", 200),
            OPERATOR: ("operator_health", "readyz", 200),
            STORE: ("storage", "", 403),
            API_SERVER: ("kubernetes", "api/v1/pods", 401),
        }[name]
        return lambda: _answers(f"http://127.0.0.1:{ports[port]}/{path}", status)

    def _kill_pod(self, victim: str) -> bool:
        began = time.monotonic()
        try:
            pods = self.sandbox.objects(PODS)
        except OSError:
            return False
        running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
        running = [pod for pod in running if self._items[_item(pod)] < MOST_PER_ITEM]
        if not running:
            return False
        pod = self._chance.choice(running)
        struck = self._delete(pod) if victim == POD_OBJECT else self._kill_process(pod)
        if struck:
            self._items[_item(pod)] += 1
            self._note(victim, began, None)
        return struck

    def _delete(self, pod: dict) -> bool:
        options = self._chance.choice([None, {"gracePeriodSeconds": 0}])
        try:
            status, _ = self.sandbox.kube("DELETE", f"{PODS}/{pod['metadata']['name']}", options)
        except OSError:
            return False
        return status == 200

    def _kill_process(self, pod: dict) -> bool:
        """One of the two processes of a launch: the one that watches, or the one that runs the author's function."""
        folder = self.sandbox.home / "node" / "pods" / pod["metadata"]["uid"]
        try:
            record = json.loads(
                (folder / f"{pod['spec']['containers'][0]['name']}.0" / "started").read_text()
            )
            first = psutil.Process(record["pid"])
            self._chance.choice([first, *first.children()]).kill()
        except (OSError, ValueError, psutil.Error):
            return False
        return True

    def _note(self, victim: str, began: float, back_s: float | None) -> None:
        self.kills.append(Kill(victim, began - self.began, back_s))


def _item(pod: dict) -> tuple[str, ...]:
    notes = pod["metadata"].get("annotations") or {}
    return tuple(notes.get(name, "") for name in (ANNOTATION_RUN_UID, ANNOTATION_NODE_PATH, ANNOTATION_INDEX))


def _connects(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=3).close()
    except psycopg2.Error:
        return False
    return True


def _answers(address: str, status: int) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == status
    except urllib.error.HTTPError as error:
        return error.code == status
    except OSError:
        return False
