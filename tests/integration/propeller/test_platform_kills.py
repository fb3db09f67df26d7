"""kill -9 of the operator at work on the whole platform: every run completes, every item ran once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from propeller_rig import wait_for

LIMOSA = Path(sys.executable).with_name("limosa")
ITEMS, KILLS = 16, 5

FLOW = """
import os, time
from limosa import map_task, task, workflow

def report(ledger: str, what: str) -> None:
    handle = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, (what + "\\n").encode())
    os.close(handle)

@task
def numbers(n: int) -> list[int]:
    return list(range(n))

@task
def square(x: int, ledger: str) -> int:
    report(ledger, f"square {x}")
    time.sleep(0.05 + 0.02 * (x % 7))
    return x * x

@task
def total(values: list[int], ledger: str) -> int:
    report(ledger, "total")
    time.sleep(0.2)
    return sum(values)

@workflow
def squares(n: int, ledger: str) -> int:
    return total(values=map_task(square)(x=numbers(n=n), ledger=ledger), ledger=ledger)
"""


class Platform:
    """The sandbox, as `limosa demo start` runs it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with (home.parent / "sandbox.log").open("w") as log:
            command = [sys.executable, "-m", "limosa_sandbox", "--home", str(home)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(lambda: self.state().get("phase") == "ready", 60, self.told)

    def state(self) -> dict[str, Any]:
        path = self.home / "state.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def operator_pid(self) -> int:
        return int(self.state()["parts"]["operator"].get("pid") or 0)

    def told(self) -> str:
        log = self.home / "logs" / "operator.log"
        return f"{self.state()}\n{log.read_text()[-5000:] if log.exists() else ''}"

    def limosa(self, *arguments: str) -> str:
        state = self.state()
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LIMOSA_ENDPOINT": f"http://{state['admin_endpoint']}",
            "LIMOSA_TOKEN": state["admin_token"],
        }
        done = subprocess.run([LIMOSA, *arguments], env=environ, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.told()}"
        return done.stdout


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    found = Platform(tmp_path_factory.mktemp("platform") / "home")
    yield found
    found.process.send_signal(signal.SIGTERM)
    found.process.wait(60)


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_run_outlives_its_operators(platform: Platform, tmp_path: Path, seed: int) -> None:
    (tmp_path / "limosa.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    ledger, chance = tmp_path / "ledger", random.Random(seed)
    name = f"squares-{seed}"
    platform.limosa(
        "run", "--remote", "--detach", "--name", name, str(tmp_path / "flow.py"), "squares",
        "--n", str(ITEMS), "--ledger", str(ledger),
    )  # fmt: skip
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.05, 0.5))
        pid = wait_for(platform.operator_pid, told=platform.told)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: platform.operator_pid() not in (0, pid), 60, platform.told)
    platform.limosa("watch", name)
    outputs = json.loads(platform.limosa("outputs", "-o", "json", name))
    assert list(outputs.values()) == [sum(x * x for x in range(ITEMS))]
    started = Counter(ledger.read_text().splitlines())
    assert started == Counter([*(f"square {x}" for x in range(ITEMS)), "total"]), platform.told()
