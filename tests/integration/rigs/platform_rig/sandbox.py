"""One sandbox on one home, which tests start, ask, hurt, and start again."""

import copy
import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from limosa.remote import Client, Endpoint, Target
from limosa_model.names import GROUP, PLURAL, VERSION, namespace_of
from limosa_store import Store, StoreSettings, open_store
from platform_rig.waiting import wait_for

PROJECT, DOMAIN = "demo", "development"
NAMESPACE = namespace_of(PROJECT, DOMAIN)
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
RUNS = f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{PLURAL}"


class Sandbox:
    """The platform of `python -m limosa_sandbox`.

    Args:
        folder: Where its home is made.
        python: Interpreter that runs it.
        environ: Variables it is started with, besides this process's.
    """

    def __init__(
        self, folder: Path, python: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self.home = folder, folder / "home"
        self.python = self.author_python = python or Path(sys.executable)
        self._environ = {**os.environ, **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._still = 0
        """Pid of an operator that stands still."""

    def for_author(self, python: Path) -> "Sandbox":
        """The same sandbox for a person who submits from the environment of another interpreter."""
        found = copy.copy(self)
        found.author_python = python
        return found

    def start(self) -> None:
        """Starts it on its home, whatever that holds, and returns when it is ready."""
        self.launch()
        wait_for(self._is_ready, self.told)

    def launch(self) -> None:
        """Starts it without waiting."""
        # Tasks that sleep need no core each.
        command = [
            self.python,
            "-m",
            "limosa_sandbox",
            "--home",
            self.home,
            "--cpus",
            "32",
            "--memory",
            "16Gi",
        ]
        with (self.folder / "sandbox.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environ)

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.told()
        state = self.state()
        return state.get("pid") == self._process.pid and state["phase"] == "ready"

    def stop(self) -> None:
        """Ends it as `limosa demo stop` does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    def kill(self) -> None:
        """kill -9 of the sandbox's own process."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_part(self, name: str) -> None:
        """kill -9 of one part, as soon as there is a process of it."""
        os.kill(wait_for(lambda: self.pid(name), self.told), signal.SIGKILL)

    @contextmanager
    def without_operator(self) -> Iterator[None]:
        """The operator stands still, before it asks admin for anything; at the end at the latest it goes on."""
        before = wait_for(lambda: self.pid("operator"), self.told)
        self.kill_part("operator")
        self._still = wait_for(lambda: {self.pid("operator")} - {0, before}, self.told).pop()
        os.kill(self._still, signal.SIGSTOP)
        try:
            yield
        finally:
            self.resume_operator()

    def resume_operator(self) -> None:
        """It goes on."""
        if is_alive(self._still):
            os.kill(self._still, signal.SIGCONT)

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """A part stands still, and knows what it knew when it goes on."""
        pid = wait_for(lambda: self.pid(name), self.told)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def pid(self, name: str) -> int:
        """The pid of a part that runs, 0 of one that does not."""
        part = self.state()["parts"].get(name, {})
        pid = int(part.get("pid") or 0)
        return pid if part.get("state") == "running" and is_alive(pid) else 0

    def await_parts(self) -> None:
        """Returns when admin and the operator are at work."""
        ports = json.loads((self.home / "ports.json").read_text())
        for name, port in (("admin", ports["admin_http"]), ("operator", ports["operator_health"])):
            address = f"http://127.0.0.1:{port}/readyz"
            wait_for(lambda name=name, address=address: self.pid(name) and _answers(address), self.told)

    def limit_file_sizes(self, name: str, limit: int) -> None:
        """From now on no file of a part may become larger; the kernel says so much as it does of a full disk."""
        pid = self.pid(name)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]))

    def state(self) -> dict[str, Any]:
        """What the sandbox says of itself."""
        path = self.home / "state.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def told(self) -> str:
        """What a person would read after a failure."""
        parts = [f"{name}: {part['state']}" for name, part in self.state().get("parts", {}).items()]
        ends = [
            f"== {log.name}\n{log.read_text(errors='replace')[-2500:]}"
            for log in sorted((self.home / "logs").glob("*.log"))
        ]
        return "\n".join([*parts, *ends])

    def client(self, token: str | None = None) -> Client:
        """A connection of the person who started it, or with another token."""
        state = self.state()
        endpoint = Endpoint.parse(f"http://{state['admin_endpoint']}")
        return Client(Target(endpoint, PROJECT, DOMAIN, state["admin_token"] if token is None else token))

    def store(self) -> Store:
        """The platform's object store, with the platform's own key."""
        state = self.state()
        key = json.loads((self.home / "secrets" / "credentials.json").read_text())["storage"]
        return open_store(StoreSettings(state["storage_url"], endpoint=state["storage_endpoint"], **key))

    def kube(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One call to the cluster's API: status and answer."""
        token = json.loads((self.home / "secrets" / "credentials.json").read_text())["kubernetes_token"]
        request = urllib.request.Request(
            self.state()["kubernetes_url"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def objects(self, path: str) -> list[dict[str, Any]]:
        """The objects of a collection."""
        status, answer = self.kube("GET", path)
        assert status == 200, answer
        items: list[dict[str, Any]] = answer["items"]
        return items

    def processes(self) -> list[str]:
        """Command lines of living processes that have to do with this home."""
        return [command for pid, command in processes_of(str(self.home)) if pid != os.getpid()]


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10):
            return True
    except (OSError, http.client.HTTPException):
        return False


def is_alive(pid: int) -> bool:
    """Whether a process lives; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes_of(mark: str) -> list[tuple[int, str]]:
    """Pids and command lines of living processes whose command line, environment or directory has to do with a path."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environ = (folder / "environ").read_bytes().decode(errors="replace")
            directory = os.readlink(folder / "cwd")
        except OSError:
            continue
        if mark in command or mark in environ or directory.startswith(mark):
            found.append((int(folder.name), command))
    return found
