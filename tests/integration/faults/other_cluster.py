"""A second cluster of one admin, with an operator of its own, that can fall silent and come back."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from platform_rig.sandbox import Sandbox, processes_of
from platform_rig.waiting import wait_for

from limosa_sandbox.settings import SandboxSettings
from limosa_sandbox.supervisor import parts
from limosa_sandbox.supervisor.credentials import AccessKey
from limosa_sandbox.supervisor.home import Home

NAME = "elsewhere"


class OtherCluster:
    """API server, node, pods and operator; its admin and store are a sandbox's."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox, self.folder = sandbox, folder
        folder.mkdir()
        self._cluster: subprocess.Popen[bytes] | None = None
        self._operator: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        state = self._sandbox.state()
        script = Path(__file__).parent / "cluster_process.py"
        command = [sys.executable, str(script), str(self.folder), state["home"], state["storage_endpoint"]]
        with (self.folder / "cluster.log").open("ab") as log:
            self._cluster = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for((self.folder / "kubeconfig").exists, self.told)
        self.start_operator()

    def start_operator(self) -> None:
        """As a Deployment would, also again after its end."""
        home = Home(self._sandbox.home)
        kept = json.loads((home.secrets / "credentials.json").read_text())
        ports = {**json.loads(home.ports.read_text()), "operator_health": _free_port()}
        spec = parts.operator(
            Home(self.folder),
            os.environ,
            ports,
            home.secrets / "operator-token",
            AccessKey(**kept["storage"]),
            SandboxSettings(home=self.folder),
        )
        environ = {**spec.environment, "LIMOSA_CLUSTER_NAME": NAME, "LIMOSA_LEASE_SECONDS": "3"}
        with (self.folder / "operator.log").open("ab") as log:
            self._operator = subprocess.Popen(spec.command, env=environ, stdout=log, stderr=log)

    def fall_silent(self) -> None:
        """All its processes stand still, in the middle of whatever they do."""
        stopped: set[int] = set()
        while found := {pid for pid, _ in self._all()} - stopped:
            for pid in found:
                os.kill(pid, signal.SIGSTOP)
            stopped |= found

    def come_back(self, *, operator: bool) -> None:
        """They go on as if nothing had happened; the operator too, or not yet."""
        assert self._operator is not None
        for pid, _ in self._all():
            if operator or pid != self._operator.pid:
                os.kill(pid, signal.SIGCONT)

    def operator_ended(self) -> bool:
        assert self._operator is not None
        return self._operator.poll() is not None

    def objects(self, path: str) -> list[dict[str, Any]]:
        """The objects of a collection."""
        config = yaml.safe_load((self.folder / "kubeconfig").read_text())
        request = urllib.request.Request(config["clusters"][0]["cluster"]["server"] + path)
        request.add_header("Authorization", f"Bearer {config['users'][0]['user']['token']}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            items: list[dict[str, Any]] = json.load(answer)["items"]
            return items

    def told(self) -> str:
        return "\n".join(log.read_text(errors="replace")[-4000:] for log in self.folder.glob("*.log"))

    def end(self) -> None:
        """Nothing of it is left."""
        for process in (self._operator, self._cluster):
            if process is not None:
                process.kill()
                process.wait()
        for pid, _ in self._all():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self._all())

    def _all(self) -> list[tuple[int, str]]:
        return [found for found in processes_of(str(self.folder)) if found[0] != os.getpid()]


@contextmanager
def other_cluster(sandbox: Sandbox, folder: Path) -> Iterator[OtherCluster]:
    """A cluster that takes the runs while the sandbox's own operator stands still."""
    found = OtherCluster(sandbox, folder)
    try:
        found.start()
        yield found
    finally:
        found.end()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
