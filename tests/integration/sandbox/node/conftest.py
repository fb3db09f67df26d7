import asyncio
import contextlib
import time
from fractions import Fraction
from pathlib import Path

import pytest

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.storage import Storage
from limosa_sandbox.node import NodeSettings, run_node

_GENEROUS = 30.0


class Bench:
    """A cluster and its node, and a few words to talk with them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.storage = Storage()
        self.node = None

    async def start(self, **changes) -> None:
        settings = {"cpu": Fraction(4), "memory": 4 << 30, "restart_backoff": 0.05, "shutdown_grace": 1.0}
        self.node = await run_node(self.storage, NodeSettings(self.directory, **{**settings, **changes}))

    async def close(self, kill_pods: bool = True) -> None:
        if self.node is not None:
            await self.node.close(kill_pods)
            self.node = None

    def create(
        self, name: str, script: str = "", *, command=None, annotations=None, container=None, **spec
    ) -> dict:
        """Create a pod that runs a shell script of this machine, or a command in the task image."""
        main = {
            "name": "main",
            "image": "limosa/task:latest",
            "command": command or ["/bin/sh", "-c", script],
            **(container or {}),
        }
        notes = {"limosa.dev/sandbox-host-process": "true", **(annotations or {})}
        body = {
            "metadata": {"name": name, "annotations": notes},
            "spec": {"restartPolicy": "Never", "containers": [main], **spec},
        }
        return self.storage.create("pods", "default", body)

    def pod(self, name: str) -> dict:
        return self.storage.get("pods", "default", name)

    def state(self, name: str, index: int = 0) -> dict:
        return self.pod(name)["status"]["containerStatuses"][index]["state"]

    async def until(self, condition, what: str = "the condition"):
        deadline = time.monotonic() + _GENEROUS
        while True:
            with contextlib.suppress(ApiError, KeyError, IndexError):
                found = condition()
                if found:
                    return found
            assert time.monotonic() < deadline, f"{what} did not come true"
            assert self.node is None or self.node.failed is None
            await asyncio.sleep(0.01)

    async def phase(self, name: str, *phases: str) -> dict:
        wanted = phases or ("Succeeded", "Failed")
        try:
            await self.until(lambda: self.pod(name)["status"]["phase"] in wanted)
        except AssertionError:
            raise AssertionError(f"{name} is not {wanted}: {self.pod(name)['status']}") from None
        return self.pod(name)

    async def gone(self, name: str) -> None:
        def is_gone() -> bool:
            try:
                self.pod(name)
            except ApiError:
                return True
            return False

        await self.until(is_gone, f"the removal of {name}")

    async def log(self, name: str, **options) -> str:
        return b"".join(
            [part async for part in self.node.log_reader.read("default", name, "main", **options)]
        ).decode()


@pytest.fixture
async def bench(tmp_path):
    bench = Bench(tmp_path / "node")
    yield bench
    await bench.close()
