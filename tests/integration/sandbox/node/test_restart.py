"""The sandbox may be killed at any moment: pods go on, and the next one takes them over."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from limosa_sandbox.cluster.storage import Storage

_SANDBOX = """
import asyncio, sys
from fractions import Fraction
from pathlib import Path
from limosa_sandbox.cluster.storage import Storage
from limosa_sandbox.node import NodeSettings, run_node

async def main(home):
    storage = Storage(home / "cluster")
    await run_node(storage, NodeSettings(home / "node", cpu=Fraction(4), memory=4 << 30))
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        eval(line, {"storage": storage})

asyncio.run(main(Path(sys.argv[1])))
"""


def _pod(name: str, script: str) -> dict:
    container = {"name": "main", "image": "x", "command": ["/bin/sh", "-c", script]}
    return {
        "metadata": {"name": name, "annotations": {"limosa.dev/sandbox-host-process": "true"}},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }


class _Victim:
    """A sandbox in a process of its own, to be killed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, home: Path) -> "_Victim":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _SANDBOX,
            str(home),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert await process.stdout.readline() == b"ready\n"
        return cls(process)

    def create(self, pod: dict) -> None:
        self._process.stdin.write(f'storage.create("pods", "default", {pod!r})\n'.encode())

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()


@pytest.fixture
async def victim(tmp_path):
    victim = await _Victim.start(tmp_path)
    yield victim
    if victim._process.returncode is None:
        await victim.kill()


async def _started(path: Path) -> int:
    """Wait until a script has written its process id to a file."""
    while not (path.exists() and path.read_text().strip()):
        await asyncio.sleep(0.01)
    return int(path.read_text())


async def test_a_running_pod_is_taken_over_after_a_kill(victim, bench, tmp_path):
    told, go = tmp_path / "told", tmp_path / "go"
    victim.create(_pod("survivor", f"echo $$$$ >> {told}; until test -e {go}; do sleep 0.02; done; exit 4"))
    pid = await _started(told)
    await victim.kill()

    bench.storage = Storage(tmp_path / "cluster")
    await bench.start()
    await bench.phase("survivor", "Running")
    go.touch()
    await bench.phase("survivor", "Failed")

    assert bench.state("survivor")["terminated"]["exitCode"] == 4
    assert told.read_text() == f"{pid}\n", "it was started twice"


async def test_a_result_from_the_time_without_a_sandbox_counts(victim, bench, tmp_path):
    told = tmp_path / "told"
    victim.create(_pod("survivor", f"echo $$$$ >> {told}; sleep 0.3; echo printed; exit 6"))
    pid = await _started(told)
    await victim.kill()
    while os.path.exists(f"/proc/{pid}"):
        await asyncio.sleep(0.02)

    bench.storage = Storage(tmp_path / "cluster")
    await bench.start()
    await bench.phase("survivor", "Failed")

    assert bench.state("survivor")["terminated"]["exitCode"] == 6
    assert await bench.log("survivor") == "printed\n"
    assert told.read_text() == f"{pid}\n"


async def test_a_process_that_vanished_with_its_parent_is_lost(victim, bench, tmp_path):
    told = tmp_path / "told"
    victim.create(_pod("lost", f"echo $$$$ > {told}; sleep 60"))
    pid = await _started(told)
    zygote = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    await victim.kill()
    os.kill(zygote, signal.SIGKILL)
    os.killpg(pid, signal.SIGKILL)

    bench.storage = Storage(tmp_path / "cluster")
    await bench.start()
    await bench.phase("lost", "Failed")

    ended = bench.state("lost")["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")


async def test_a_pod_that_was_deleted_meanwhile_is_killed(victim, bench, tmp_path):
    told = tmp_path / "told"
    victim.create(_pod("deleted", f"echo $$$$ > {told}; sleep 60"))
    pid = await _started(told)
    await victim.kill()

    bench.storage = Storage(tmp_path / "cluster")
    uid = bench.pod("deleted")["metadata"]["uid"]
    bench.storage.delete("pods", "default", "deleted", grace_seconds=0)
    await bench.start()

    await bench.until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the process")
    await bench.until(lambda: not (tmp_path / "node" / "pods" / uid).exists(), "the removal of its files")


async def test_the_death_of_a_zygote_alone_is_noticed(bench, tmp_path):
    told, go = tmp_path / "told", tmp_path / "go"
    await bench.start()
    bench.storage.create(
        "pods", "default", _pod("orphan", f"echo $$$$ > {told}; until test -e {go}; do sleep 0.02; done")
    )
    pid = await _started(told)
    zygote = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    os.kill(zygote, signal.SIGKILL)
    bench.storage.create("pods", "default", _pod("next", "true"))
    await bench.phase("next", "Succeeded")
    assert bench.pod("orphan")["status"]["phase"] == "Running"
    go.touch()
    await bench.phase("orphan", "Failed")

    assert bench.state("orphan")["terminated"]["reason"] == "ContainerStatusUnknown"


async def test_gpus_stay_with_the_pods_that_have_them(bench):
    await bench.start(gpus=("0", "1"))
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    for name in ("a", "b"):
        bench.create(name, "echo $CUDA_VISIBLE_DEVICES; sleep 60", container=gpu)
        await bench.phase(name, "Running")
    records = {}
    for name in ("a", "b"):
        records[name] = json.loads(
            (bench.directory / "pods" / bench.pod(name)["metadata"]["uid"] / "gpus").read_text()
        )

    await bench.close(kill_pods=False)
    await bench.start(gpus=("0", "1"))
    bench.storage.delete("pods", "default", "a", grace_seconds=0)
    bench.create("c", "sleep 60", container=gpu)
    await bench.phase("c", "Running")

    uid = bench.pod("c")["metadata"]["uid"]
    assert json.loads((bench.directory / "pods" / uid / "gpus").read_text()) == records["a"]
