"""What an author writes, with the types an editor must see. Checked by mypy --strict and pyright; never run."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from typing_extensions import assert_type

from limosa import (
    Cache,
    Directory,
    FailurePolicy,
    File,
    LaunchPlan,
    Pickle,
    Resources,
    Secret,
    WorkflowError,
    approve,
    chain,
    conditional,
    dynamic,
    eager,
    map_task,
    sleep,
    task,
    wait_for_input,
    workflow,
)
from limosa.nodes import length


@dataclass
class Config:
    rate: float
    steps: int = 3


class Split(NamedTuple):
    train: File
    test: File


@task
def bare(x: int, scale: float = 1.0) -> str:
    return str(x * scale)


@task(
    resources=Resources(cpu=(1, 4), mem="2Gi", gpu=1, disk="10Gi"),
    retries=3,
    timeout="10m",
    deadline=3600,
    cache=True,
    container_image="team/image:1.0",
    environment={"MODE": "fast"},
    secrets=[Secret("tokens", "hub", env="HUB_TOKEN")],
    pod_template={"spec": {"priorityClassName": "low"}},
    accelerator="nvidia-tesla-t4",
    interruptible=True,
    labels={"team": "a"},
    annotations={"note": "b"},
)
def configured(config: Config) -> float:
    return config.rate * config.steps


@task
def several(x: int) -> tuple[int, str]:
    return x, "a"


@task
def counted(x: int) -> Iterator[int]:
    yield x


@task
def pickled(x: int) -> Pickle[Config]:
    return Config(rate=float(x))


@task
def unpickled(config: Pickle[Config], items: Iterable[int]) -> float:
    return config.rate + sum(items)


@workflow
def of_types(x: int) -> float:
    number, text = several(x=x)
    assert_type(number, int)
    assert_type(text, str)
    assert_type(counted(x=number), Iterator[int])
    return unpickled(config=pickled(x=number), items=counted(x=number))


@dynamic
def fan(n: int) -> list[str]:
    return [bare(x=i) for i in range(n)]


@dynamic(retries=2, resources=Resources(mem="1Gi"))
def chosen_later(n: int) -> str:
    return bare(x=n) if n > 2 else "few"


@task(
    requests=Resources(cpu="500m"),
    cache=Cache("v1", serialize=True, ignored_inputs=("data",)),
    limits=Resources(cpu=2, mem="1Gi"),
)
def split(data: Directory) -> Split:
    return Split(File("a"), File("b"))


@task
def nothing(x: int) -> None:
    return None


@task
def measure(file: File) -> float:
    with file.open() as lines:
        return float(len(lines.read()))


@workflow
def inner(x: int) -> str:
    return bare(x=x)


@workflow(failure_policy=FailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE)
def outer(xs: list[int], x: int, data: Directory, config: Config) -> str:
    assert_type(bare(x=x), str)
    assert_type(bare(x), str)
    assert_type(fan(n=x), list[str])
    assert_type(chosen_later(x), str)
    assert_type(configured(config=config), float)
    assert_type(configured(config=Config(rate=0.5)), float)
    parts = split(data=data)
    assert_type(parts, Split)
    assert_type(parts.train, File)
    train, test = split(data=data)
    assert_type(test, File)
    assert_type(map_task(bare)(x=xs), list[str])
    assert_type(map_task(bare, min_successes=1)(x=xs), list[str | None])
    assert_type(map_task(bare, min_success_ratio=0.5)(x=xs), list[str | None])
    assert_type(map_task(measure, concurrency=2)(file=[train, test]), list[float])
    assert_type(map_task(bare.with_overrides(retries=2))(x=xs, scale=2.0), list[str])
    assert_type(bare.with_overrides(resources=Resources(mem="4Gi"), node_name="big")(x=1), str)
    chain(nothing(x=x), nothing(x=1), parts)
    chosen = conditional("size").if_(x > 3).then(bare(x=x)).elif_((x == 2) & (x != 1)).then(bare(x=1)).else_()
    assert_type(chosen.then(bare(x=2)), str)
    checked = conditional("small").if_(measure(file=train) <= 0.5).then(inner(x=x)).else_().fail("too large")
    assert_type(checked, str)
    first = bare(x=xs[0])
    second = bare(x=len(first))
    assert_type(inner(x=x), str)
    return second


assert_type(bare(x=1), str)
assert_type(inner(x=1), str)
nightly = LaunchPlan(inner, name="nightly", default_inputs={"x": 3}, fixed_inputs={})
assert_type(nightly(x=1), str)


@task
def tidy_up(x: int, error: WorkflowError) -> None:
    print(x, error.code)


@workflow(on_failure=tidy_up)
def gated(x: int) -> str:
    made = bare(x=x)
    assert_type(approve(made, name="ship", timeout="2h"), str)
    rate = wait_for_input("rate", float, prompt="how much?")
    assert_type(rate, float)
    chain(made, sleep("10m"), approve())
    assert_type(length([made]), int)
    return bare(x=x, scale=rate)


@eager(retries=1)
async def climbed(x: int) -> str:
    made = await bare.aio(x=x, scale=2.0)
    assert_type(made, str)
    return await inner.aio(x=len(made))


assert_type(climbed(x=1), str)
