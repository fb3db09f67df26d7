import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

LIMIT_S = 90.0


class Platform:
    """A sandbox process on a home of its own, and what a person can ask of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> "Platform":
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LIMOSA_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "limosa_sandbox", "--home", str(self.home), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
        )
        return self

    def wait_ready(self) -> "Platform":
        assert self.process is not None
        pid = self.process.pid
        self.wait_for(
            lambda: self.process_ended() or (self.state()["pid"] == pid and self.state()["phase"] == "ready")
        )
        assert not self.process_ended(), self.told()
        return self

    def wait_for(self, what: Callable[[], Any]) -> None:
        """Polls until `what` is true; the limit only ends a test that would hang."""
        deadline = time.monotonic() + LIMIT_S
        while not what():
            assert time.monotonic() < deadline, f"did not happen within {LIMIT_S} s\n{self.told()}"
            time.sleep(0.05)

    def process_ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def state(self) -> dict[str, Any]:
        path = self.home / "state.json"
        return dict(json.loads(path.read_text())) if path.exists() else {"pid": 0, "phase": ""}

    def told(self) -> str:
        logs = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in logs)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(LIMIT_S)
        self._close()
        return code

    def kill(self) -> None:
        """As a power cut would, but for the machine."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(LIMIT_S)
        self._close()

    def _close(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        self.process.stderr.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the Kubernetes API."""
        config = json.loads((self.home / "kubeconfig").read_text())
        request = urllib.request.Request(config["clusters"][0]["cluster"]["server"] + path, method=method)
        request.add_header("Authorization", f"Bearer {config['users'][0]['user']['token']}")
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            return json.load(answer)

    @staticmethod
    def answers(url: str) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def processes(self) -> list[psutil.Process]:
        """Every process that has to do with this home, by its command line, environment or directory."""
        found = []
        for process in psutil.process_iter():
            try:
                traces = [*process.cmdline(), *process.environ().values(), process.cwd()]
            except psutil.Error:
                continue
            if process.pid != os.getpid() and any(str(self.home) in trace for trace in traces):
                found.append(process)
        return found


@contextmanager
def platform_at(home: Path) -> Iterator[Platform]:
    platform = Platform(home)
    try:
        yield platform
    finally:
        if platform.process is not None and platform.process.poll() is None:
            platform.stop()
        for process in platform.processes():
            process.kill()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with platform_at(tmp_path / "home") as found:
        yield found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_at(tmp_path_factory.mktemp("platform") / "home") as found:
        yield found.start("--gpus", "2", "--memory", "4Gi", "--cpus", "2").wait_ready()
