"""Workflows whose tasks tell the referee that they run."""

from collections.abc import Mapping
from pathlib import Path

_HEAD = """
import asyncio
import os
import signal
import time
from typing import NamedTuple

from limosa import CallFailed, File, conditional, dynamic, eager, map_task, task, workflow
from referee_double import launch, started

TOLD = {told!r}

@task(environment=TOLD)
def step(x: int, ms: int) -> int:
    started()
    time.sleep(ms / 1000)
    return x + 1
"""

_MANY = """
@task(environment=TOLD)
def numbers(n: int) -> list[int]:
    started()
    time.sleep(0.1)
    return list(range(n))

@task(environment=TOLD, retries=3)
def square(x: int) -> int:
    started()
    time.sleep(0.05 + 0.03 * (x % 5))
    if x == 3 and launch() == 0:
        raise ConnectionError("the service did not answer")
    return x * x

@task(environment=TOLD)
def total(values: list[int], more: int) -> int:
    started()
    time.sleep(0.1)
    return sum(values) + more

@task(environment=TOLD, retries=4)
def flaky(x: int) -> int:
    started()
    time.sleep(0.05)
    if launch() < 2:
        raise ConnectionError("the service did not answer")
    return x * 10

@workflow
def squares(n: int, more: int) -> int:
    return total(values=map_task(square)(x=numbers(n=n)), more=more)

@workflow
def chain(x: int) -> int:
    for ms in (50, 300, 200, 250, 150):
        x = step(x=x, ms=ms)
    return x

@dynamic(environment=TOLD, retries=2)
def decided(x: int) -> int:
    started()
    return total(values=[step(x=x % 7 + n, ms=80) for n in range(x % 4 + 2)], more=chain(x=x))

class Result(NamedTuple):
    judged: int
    sums: int
    end: int
    decided: int

@workflow
def many(x: int) -> Result:
    first = chain(x=x)
    tried = flaky(x=first)
    sums = squares(n=8, more=tried)
    judged = conditional("size").if_(sums > 100).then(step(x=sums, ms=100)).else_().then(total(values=[], more=sums))
    return Result(judged, sums, chain(x=judged), decided(x=sums))
"""

_FAILS_ONCE = """
@task(environment=TOLD, retries=2)
def fails_once(x: int) -> int:
    started()
    if launch() == 0:
        raise ConnectionError("the service did not answer")
    return x + 1

@workflow
def recovering(x: int) -> int:
    return fails_once(x=x)
"""

_EAGER = """
@task(environment=TOLD)
def broken(x: int) -> int:
    started()
    raise ValueError(f"{x} is wrong")

def die(at: int, dies: list[int]) -> None:
    \"""Ends the pod, both of its processes, if this launch is to end there.\"""
    if launch() < len(dies) and dies[launch()] == at:
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

@eager(environment=TOLD)
async def sure(x: int) -> int:
    started()
    return await step(x=await step(x=x, ms=20), ms=20)

@eager(environment=TOLD)
async def hit(x: int, dies: list[int]) -> int:
    started()
    made = step(x=x, ms=50)
    die(0, dies)
    x = await made
    die(1, dies)
    pair = [step(x=x, ms=80), step(x=x + 10, ms=20)]
    die(2, dies)
    first, second = await asyncio.gather(*pair)
    try:
        await broken(x=first)
    except CallFailed:
        die(3, dies)
        second += 100
    many = await map_task(square)(x=[first, second])
    die(4, dies)
    rest = asyncio.gather(sure(x=first), chain(x=second))
    die(5, dies)
    return await total(values=[*many, *await rest], more=0)

@workflow
def hits(x: int, dies: list[int] = []) -> int:
    return hit(x=x, dies=dies)
"""

_FEW = """
@workflow
def one(x: int, ms: int) -> int:
    return step(x=x, ms=ms)

@workflow
def pair(x: int, ms: int) -> int:
    return step(x=step(x=x, ms=ms), ms=ms)

@task(environment=TOLD)
def length(text: str) -> int:
    started()
    return len(text)

@workflow
def large() -> int:
    return length(text="x" * 300_000)

@task(environment=TOLD)
def written(size: int) -> File:
    started()
    with open("data", "wb") as file:
        file.write(bytes(size))
    return File("data")

@task(environment=TOLD)
def measured(file: File) -> int:
    started()
    return os.path.getsize(file.path)

@workflow
def filed(size: int) -> int:
    return measured(file=written(size=size))

@workflow
def uploaded(file: File) -> int:
    return measured(file=file)
"""


def write_flows(folder: Path, referee: str, told: Mapping[str, str] | None = None) -> Path:
    """Writes the source file.

    Args:
        folder: Where to; becomes a source root.
        referee: The referee's address.
        told: Further variables of every task's environment.
    """
    folder.mkdir(exist_ok=True)
    (folder / "limosa.toml").touch()
    file = folder / "flows.py"
    head = _HEAD.format(told={"REFEREE": referee, **(told or {})})
    file.write_text(head + _MANY + _FAILS_ONCE + _EAGER + _FEW)
    return file
