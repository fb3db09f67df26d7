"""What the soak runs: one workflow for each kind of node, of tasks that tell the referee that they run.

A copy of this file is what the platform gets, beside a `told.py` that says where the referee listens.
"""

import asyncio
import time
from typing import NamedTuple

from referee_double import launch, started
from told import TOLD

from limosa import (
    Cache,
    CallFailed,
    File,
    LaunchPlan,
    ShellTask,
    WorkflowError,
    approve,
    chain,
    check,
    conditional,
    dynamic,
    eager,
    map_task,
    sleep,
    task,
    wait_for_input,
    workflow,
)


@task(environment=TOLD)
def step(x: int, ms: int) -> int:
    started()
    time.sleep(ms / 1000)
    return x + 1


@task(environment=TOLD)
def numbers(n: int) -> list[int]:
    started()
    return list(range(n))


@task(environment=TOLD, retries=1)
def square(x: int) -> int:
    started()
    time.sleep(0.05 + 0.1 * (x % 7))
    if x == 3 and launch() == 0:
        raise ConnectionError("the service did not answer")
    return x * x


@task(environment=TOLD)
def total(values: list[int]) -> int:
    started()
    time.sleep(0.1)
    return sum(values)


@task(environment=TOLD)
def odd(x: int) -> int:
    started()
    time.sleep(0.2)
    if x % 4 == 3:
        raise ValueError(f"no {x}")
    return x


@task(environment=TOLD)
def known(values: list[int | None]) -> int:
    started()
    return sum(value for value in values if value is not None)


@task(environment=TOLD, retries=4)
def flaky(x: int) -> int:
    started()
    time.sleep(0.1)
    if launch() < 2:
        raise ConnectionError("the service did not answer")
    return x * 10


@task(environment=TOLD)
def boom(x: int) -> int:
    started()
    raise ValueError(f"no {x}")


@task(environment=TOLD)
def tell(x: int, error: WorkflowError) -> str:
    started()
    return f"{x} {error.node} {error.code} {error.kind} {error.message}"


@task(environment=TOLD, cache=Cache("1", serialize=True))
def kept(x: int) -> int:
    started()
    time.sleep(0.5)
    return x * 3


@task(environment=TOLD)
def written(size: int) -> File:
    started()
    with open("data", "wb") as file:
        file.write(bytes(size))
    return File("data")


@task(environment=TOLD)
def measured(file: File) -> int:
    started()
    with open(file) as data:
        return len(data.read())


doubled = ShellTask(
    "doubled",
    "sleep 0.3; expr {{ .inputs.x }} '*' 2 > {{ .outputs.y }}",
    inputs={"x": int},
    outputs={"y": int},
    environment=TOLD,
)


@workflow
def tasks(x: int) -> int:
    """Task after task."""
    for ms in (50, 400, 1000):
        x = step(x=x, ms=ms)
    return x


@workflow
def retried(x: int) -> int:
    return step(x=flaky(x=x), ms=100)


@workflow
def squares(n: int) -> int:
    return total(values=map_task(square, concurrency=4)(x=numbers(n=n)))


@workflow
def tolerant(n: int) -> int:
    return known(values=map_task(odd, min_success_ratio=0.5)(x=numbers(n=n)))


@workflow
def large(x: int) -> int:
    return conditional("inner").if_(x > 8).then(step(x=x, ms=200)).else_().then(flaky(x=x))


@workflow
def branched(x: int) -> int:
    """A branch in a branch."""
    first = step(x=x, ms=100)
    outer = conditional("outer").if_(first > 5).then(large(x=first))
    return outer.else_().then(total(values=[first, first]))


@workflow
def nested(x: int) -> int:
    """Workflows in a workflow."""
    return tasks(x=tasks(x=x))


@workflow
def leaf(x: int, more: int) -> int:
    return total(values=[step(x=x, ms=300), more])


by_ten = LaunchPlan(leaf, name="by-ten", fixed_inputs={"more": 10})


@workflow
def middle(x: int) -> int:
    return by_ten(x=by_ten(x=x))


launched_middle = LaunchPlan(middle, name="middle")


@workflow
def launched(x: int) -> int:
    """Runs that launch runs, two deep."""
    return step(x=launched_middle(x=x), ms=100)


@dynamic(environment=TOLD, retries=1)
def decided(x: int) -> int:
    started()
    return total(values=[*(step(x=n, ms=150) for n in range(x % 4 + 1)), tasks(x=x)])


@workflow
def made(x: int) -> int:
    return step(x=decided(x=x), ms=50)


@eager(environment=TOLD)
async def climbed(x: int) -> int:
    """Calls one after the other, side by side, and one that fails and is borne."""
    started()
    for _ in range(x % 3 + 1):
        x = await step(x=x, ms=150)
    pair = await asyncio.gather(step(x=x, ms=100), flaky(x=x))
    try:
        return await boom(x=x)
    except CallFailed:
        return sum(pair)


@workflow
def eagerly(x: int) -> int:
    return step(x=climbed(x=x), ms=50)


@workflow
def checked(x: int) -> int:
    """What comes after a condition needs it."""
    first = step(x=x, ms=100)
    last = step(x=first, ms=50)
    chain(check(first > 10, "too few"), last)
    return last


@workflow
def released(x: int) -> int:
    """Three gates."""
    first = step(x=x, ms=50)
    rate = wait_for_input("rate", int)
    shipped = approve(first, name="ship")
    pause, last = sleep("2s"), total(values=[shipped, rate])
    chain(shipped, pause, last)
    return last


@workflow(on_failure=tell)
def told_why(x: int) -> int:
    return boom(x=step(x=x, ms=100))


class Pair(NamedTuple):
    one: int
    two: int


@workflow
def cached(x: int, y: int) -> Pair:
    return Pair(kept(x=x), step(x=kept(x=y), ms=50))


@workflow
def filed(size: int) -> int:
    return measured(file=written(size=size))


@workflow
def shell(x: int) -> int:
    return step(x=doubled(x=x), ms=50)


@workflow
def endless(x: int) -> int:
    return step(x=step(x=x, ms=100), ms=3_600_000)


lasts = LaunchPlan(endless, name="lasts")


@workflow
def endless_parent(x: int) -> int:
    """An abort has to reach the child, and what runs beside it."""
    return total(values=[lasts(x=x), endless(x=x)])
