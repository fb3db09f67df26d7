"""kill -9 of the whole sandbox, or of admin, at seeded moments of a run: the run completes, its outputs are right."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

LIMOSA = Path(sys.executable).with_name("limosa")
ITEMS = 12
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
    time.sleep(0.1 + 0.05 * (x % 5))
    report(ledger, f"square {x}")
    return x * x

@task
def total(values: list[int], ledger: str) -> int:
    time.sleep(0.2)
    report(ledger, "total")
    return sum(values)

@workflow
def squares(n: int, ledger: str) -> int:
    return total(values=map_task(square)(x=numbers(n=n), ledger=ledger), ledger=ledger)
"""


def limosa(platform: Any, *arguments: str) -> str:
    state = platform.state()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(platform.home.parent),
        "LIMOSA_ENDPOINT": f"http://{state['admin_endpoint']}",
        "LIMOSA_TOKEN": state["admin_token"],
    }
    done = subprocess.run(
        [LIMOSA, *arguments], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{platform.told()}"
    return done.stdout


def submit(platform: Any, folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / "limosa.toml").touch()
    (folder / "flow.py").write_text(FLOW)
    ledger = folder / "ledger"
    inputs = ("--n", str(ITEMS), "--ledger", str(ledger))
    limosa(
        platform, "run", "--remote", "--detach", "--name", name, str(folder / "flow.py"), "squares", *inputs
    )
    return ledger


def check(platform: Any, name: str, ledger: Path) -> None:
    limosa(platform, "watch", name)
    outputs = json.loads(limosa(platform, "outputs", "-o", "json", name))
    assert list(outputs.values()) == [sum(x * x for x in range(ITEMS))]
    # Code may run again before its commit, so "at least once" is what holds after a kill.
    assert set(ledger.read_text().splitlines()) == {*(f"square {x}" for x in range(ITEMS)), "total"}


def kill_sandbox(platform: Any) -> None:
    platform.kill()
    platform.start().wait_ready()


def kill_admin(platform: Any) -> None:
    pid = platform.state()["parts"]["admin"]["pid"]
    psutil.Process(pid).send_signal(signal.SIGKILL)
    platform.wait_for(lambda: platform.state()["parts"]["admin"]["pid"] not in (0, pid))
    platform.wait_for(lambda: platform.answers(f"{platform.state()['admin_url']}/readyz"))


@pytest.mark.parametrize("kill", [kill_sandbox, kill_admin], ids=["sandbox", "admin"])
@pytest.mark.parametrize("kills", [2])
def test_accepted_runs_outlive_kills(platform: Any, tmp_path: Path, kill: Any, kills: int) -> None:
    platform.start().wait_ready()
    chance = random.Random(kills)
    done = 0
    for number in range(kills):
        name = f"squares-{number}"
        ledger = submit(platform, tmp_path / name, name)
        while done < kills:
            time.sleep(chance.uniform(0.05, 1.2))
            kill(platform)
            done += 1
            if done % 3 == 0:
                break
        check(platform, name, ledger)
        if done == kills:
            break
    assert platform.stop() == 0
    assert platform.processes() == []
