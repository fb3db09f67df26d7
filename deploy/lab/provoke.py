"""Provokes on the lab cluster what rows of docs/faults.md say, and prints what came out: provoke.py LIMOSA CTL [ROW...].

A check is a function that begins a run and gives what is to be seen of it later: those that only wait, wait at the same time.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

FLOW = Path(__file__).parent / "kinds" / "faulty.py"
NAMESPACE = "demo-development"
SECONDS = 240
"""Until a run that should have ended has not."""


class Wrong(Exception):
    """Something came out otherwise than the table says."""


class Lab:
    """A cluster with the platform on it, seen through what a person has: limosa, kubectl, and ctl to break things."""

    def __init__(self, limosa: str, ctl: str) -> None:
        self._limosa, self._ctl = limosa, ctl

    def limosa(self, *arguments: str) -> str:
        """Both streams of a command, whatever its status."""
        done = subprocess.run([self._limosa, *arguments], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def kubectl(self, *arguments: str, namespace: str = NAMESPACE, text: str | None = None) -> str:
        """Standard output. Raises Wrong."""
        command = ["kubectl", "-n", namespace, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, input=text)
        if done.returncode:
            raise Wrong(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def ctl(self, *arguments: str) -> None:
        """Breaks or mends a part of the cluster."""
        subprocess.run([self._ctl, *arguments], check=True, capture_output=True)

    def begin(self, workflow: str) -> str:
        """Begins a run of `FLOW`; its name."""
        command = [self._limosa, "run", "--remote", "--detach", "-o", "json", str(FLOW), workflow]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Wrong(f"{workflow} did not begin: {done.stderr.strip()}")
        name: str = json.loads(done.stdout)["name"]
        return name

    def pod(self, run: str, phase: str = "Running") -> str:
        """The first pod of a run in a phase, once there is one."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for pod in json.loads(self.kubectl("get", "pods", "-l", f"limosa.dev/run={run}", "-o", "json"))[
                "items"
            ]:
                if pod["status"].get("phase") == phase and "deletionTimestamp" not in pod["metadata"]:
                    name: str = pod["metadata"]["name"]
                    return name
            time.sleep(0.2)
        raise Wrong(f"{run} has no pod that is {phase}")

    def succeeds(self, run: str, value: int) -> None:
        """Waits for the run's end. Raises Wrong unless it gave the value."""
        told = self.limosa("watch", run, "--timeout", str(SECONDS))
        outputs = self.limosa("outputs", run, "-o", "json")
        if str(value) not in outputs or "rror" in outputs:
            raise Wrong(f"{run}: {outputs.strip()}; {told[-1500:]}")

    def fails(self, run: str, *words: str) -> None:
        """Waits for the run's end. Raises Wrong unless its screen has the words."""
        told = self.limosa("watch", run, "--timeout", str(SECONDS))
        missing = [word for word in words if word not in told]
        if missing:
            raise Wrong(f"{run} does not say {missing}: {told[-1500:]}")

    def explains(self, run: str, *words: str, node: str = "n0", seconds: float = 60) -> None:
        """Waits until `limosa explain` has the words. Raises Wrong."""
        until = time.monotonic() + seconds
        while True:
            told = self.limosa("explain", run, node)
            missing = [word for word in words if word not in told]
            if not missing:
                return
            if time.monotonic() > until:
                raise Wrong(f"explain {run} does not say {missing}: {told}")
            time.sleep(1)


def deleted(lab: Lab) -> Iterator[None]:
    """A running pod is deleted: another launch, and the run succeeds."""
    run = lab.begin("one")
    lab.kubectl("delete", "pod", lab.pod(run), "--wait=false")
    yield
    lab.succeeds(run, 1)
    lab.explains(run, "Preempted", "attempt 2")


def forced(lab: Lab) -> Iterator[None]:
    """A running pod is gone at once: nobody saw its end."""
    run = lab.begin("one")
    lab.kubectl("delete", "pod", lab.pod(run), "--force", "--grace-period=0")
    yield
    lab.succeeds(run, 1)
    lab.explains(run, "attempt 2")


def evicted(lab: Lab) -> Iterator[None]:
    """A running pod is evicted through the API, as a drain does."""
    run = lab.begin("one")
    pod = lab.pod(run)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": NAMESPACE},
    }
    lab.kubectl(
        "create",
        "--raw",
        f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction",
        "-f",
        "-",
        text=json.dumps(eviction),
    )
    yield
    lab.succeeds(run, 1)
    lab.explains(run, "Evicted", "attempt 2")


def killed(lab: Lab) -> Iterator[None]:
    """The task's process is killed, and memory is not why."""
    run = lab.begin("kill")
    yield
    lab.fails(run, "Killed", "SIGKILL")


def out_of_memory(lab: Lab) -> Iterator[None]:
    """A real out-of-memory kill; the limit is named."""
    run = lab.begin("oom")
    yield
    lab.fails(run, "OOMKilled", "96Mi")


def unpulled(lab: Lab) -> Iterator[None]:
    """An image that nobody has: it is waited for, then the registry's words."""
    run = lab.begin("image")
    lab.explains(run, "the cluster pulls its image")
    yield
    lab.fails(run, "ImagePull", "limosa/not-there:1")


def secret(lab: Lab) -> Iterator[None]:
    """A secret that is missing is named, with its remedy."""
    run = lab.begin("secret")
    yield
    lab.fails(run, "SecretMissing", "limosa secrets set not-there key")


def unschedulable(lab: Lab) -> Iterator[None]:
    """No node has a GPU: the scheduler's words, and an abort ends the wait."""
    run = lab.begin("gpu")
    lab.explains(run, "Insufficient nvidia.com/gpu", "the operator's pending timeout")
    yield
    lab.limosa("abort", run)
    lab.fails(run, "abort")


def forged(lab: Lab) -> Iterator[None]:
    """A task that says it committed, and left somebody behind who writes last words: not believed."""
    run = lab.begin("lie")
    yield
    lab.fails(run, "NoCommit", "the store has none")


def quota(lab: Lab) -> Iterator[None]:
    """A quota that is used up is waited for; one that a pod can never fit fails with the figures."""
    lab.kubectl("create", "quota", "lab", "--hard=pods=0")
    try:
        run = lab.begin("one")
        lab.fails(run, "Quota", "limited: pods=0")
        lab.kubectl("delete", "quota", "lab")
        first = lab.begin("one")
        lab.pod(first)
        used = len(lab.kubectl("get", "pods", "-o", "name").split())
        lab.kubectl("create", "quota", "lab", f"--hard=pods={used}")
        time.sleep(1)
        second = lab.begin("chain")
        lab.explains(second, "quota is used up", seconds=20)
    finally:
        lab.kubectl("delete", "quota", "lab", "--ignore-not-found")
    yield
    lab.succeeds(first, 1)
    lab.succeeds(second, 3)


def meanwhile(what: Callable[[Lab], None]) -> Callable[[Lab], Iterator[None]]:
    """Something happens to the platform while a chain of three runs, which succeeds all the same."""

    def check(lab: Lab) -> Iterator[None]:
        run = lab.begin("chain")
        lab.pod(run)
        what(lab)
        lab.succeeds(run, 3)
        yield

    return check


def service(name: str, seconds: float) -> Callable[[Lab], None]:
    """Kills a part of the cluster, and starts it again after a while."""

    def act(lab: Lab) -> None:
        lab.ctl("kill", name)
        time.sleep(seconds)
        lab.ctl("start", name)

    return act


def pod_of(app: str) -> Callable[[Lab], None]:
    """Kills a pod of the platform, and waits for the next one, so that there is somebody to ask about the run."""

    def act(lab: Lab) -> None:
        lab.kubectl(
            "delete", "pod", "-l", f"app={app}", "--force", "--grace-period=0", namespace="limosa-system"
        )
        deployment = f"deployment/{app.removeprefix('limosa-')}"
        lab.kubectl("rollout", "status", deployment, "--timeout=90s", namespace="limosa-system")

    return act


def away(lab: Lab) -> None:
    """No operator, until what runs has ended."""
    lab.kubectl("scale", "deployment/propeller", "--replicas=0", namespace="limosa-system")
    time.sleep(8)
    lab.kubectl("scale", "deployment/propeller", "--replicas=1", namespace="limosa-system")


def node_lost(lab: Lab) -> Iterator[None]:
    """The node of a running pod goes away for good, and comes back as a new one."""
    run = lab.begin("late")
    node = lab.kubectl("get", "pod", lab.pod(run), "-o", "jsonpath={.spec.nodeName}")
    lab.ctl("kill", "kubelet")
    lab.kubectl("delete", "node", node)
    until = time.monotonic() + 120
    while time.monotonic() < until and lab.kubectl(
        "get", "pods", "-l", f"limosa.dev/run={run}", "-o", "name"
    ):
        time.sleep(2)
    lab.ctl("start", "kubelet")
    for name in ("admin", "propeller"):
        lab.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s", namespace="limosa-system")
    lab.succeeds(run, 1)
    lab.explains(run, "NodeLost", "attempt 2")
    yield


def object_deleted(lab: Lab) -> Iterator[None]:
    """The object of a running run is deleted: it comes back and goes on from its commits."""
    run = lab.begin("chain")
    lab.pod(run)
    lab.kubectl("delete", "wfr", run)
    lab.succeeds(run, 3)
    yield


class Row(NamedTuple):
    """A row of docs/faults.md as it is provoked."""

    number: int
    what: str
    check: Callable[[Lab], Iterator[None]]


TOGETHER = (
    Row(10, "an image cannot be pulled", unpulled),
    Row(11, "a secret is missing", secret),
    Row(12, "no node has a GPU", unschedulable),
    Row(35, "a forged last word", forged),
    Row(6, "the process is killed (137)", killed),
    Row(7, "out of memory", out_of_memory),
    Row(2, "a running pod is deleted", deleted),
    Row(3, "a running pod is deleted by force", forced),
    Row(4, "a running pod is evicted", evicted),
)
"""They disturb nobody else."""
ONE_BY_ONE = (
    Row(13, "a quota is used up, or can never do", quota),
    Row(26, "the object of a running run is deleted", object_deleted),
    Row(20, "the operator is killed", meanwhile(pod_of("limosa-propeller"))),
    Row(27, "the operator is away while pods complete", meanwhile(away)),
    Row(23, "admin is killed", meanwhile(pod_of("limosa-admin"))),
    Row(15, "the API server is killed", meanwhile(service("apiserver", 5))),
    Row(18, "etcd is killed", meanwhile(service("etcd", 5))),
    Row(27, "the kubelet is killed", meanwhile(service("kubelet", 5))),
    Row(36, "the object store is killed", meanwhile(service("minio", 6))),
    Row(5, "a node goes away", node_lost),
)


def main() -> int:
    """Status 1 where a row came out otherwise."""
    lab, chosen = Lab(*sys.argv[1:3]), {int(number) for number in sys.argv[3:]}
    right = True
    for group in (TOGETHER, *((row,) for row in ONE_BY_ONE)):
        begun = [(row, row.check(lab)) for row in group if not chosen or row.number in chosen]
        met = [(row, check) for row, check in begun if came_out(row, check, last=False)]
        right &= len(met) == len(begun)
        for row, check in met:
            right &= came_out(row, check, last=True)
    return 0 if right else 1


def came_out(row: Row, check: Iterator[None], *, last: bool) -> bool:
    """One of the two parts of a check; prints how it came out, once."""
    try:
        next(check, None)
    except (Wrong, subprocess.SubprocessError) as error:
        print(f"{row.number:>3}  WRONG    {row.what}\n{error}", flush=True)
        return False
    if last:
        print(f"{row.number:>3}  as told  {row.what}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
