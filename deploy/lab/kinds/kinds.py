"""One run with every kind of node and every kind of pod, for a cluster with a real kubelet; see deploy/lab/check_kinds."""

import os
import time
from pathlib import Path
from typing import NamedTuple

from limosa import (
    ContainerTask,
    File,
    LaunchPlan,
    Secret,
    ShellTask,
    WorkflowError,
    approve,
    dynamic,
    eager,
    map_task,
    task,
    workflow,
)

count = ContainerTask(
    "count",
    image="limosa/lab-tool:dev",
    args=["{{ .inputs.source }}", "{{ .outputs.lines }}"],
    inputs={"source": File},
    outputs={"lines": int},
)
shout = ShellTask(
    "shout",
    script="tr a-z A-Z <<< {{ .inputs.text }} > {{ .outputs.loud }}",
    inputs={"text": str},
    outputs={"loud": str},
)


class Found(NamedTuple):
    items: list[int | None]
    doubled: list[int]
    child: int
    lines: int
    loud: str
    secrets: str
    shaped: str


@task
def uneven(x: int) -> int:
    if x == 2:
        raise ValueError("2 is not taken")
    return x * 10


@task
def double(x: int) -> int:
    return 2 * x


@task
def lines() -> File:
    Path("lines.txt").write_text("a\nb\nc\n")
    return File("lines.txt")


@task(secrets=[Secret("lab", "token"), Secret("lab", "cert", file="/etc/lab/cert.pem")])
def secretive() -> str:
    return f"{os.environ['TOKEN']} {Path(os.environ['CERT_FILE']).read_text()}"


@task(pod_template_name="lab")
def shaped() -> str:
    return os.environ["FROM_TEMPLATE"]


@task(cache="v1")
def stamp(seed: int) -> int:
    return time.time_ns()


@task
def refuse(x: int) -> int:
    raise ValueError(f"{x} is refused")


@task
def tell(x: int, error: WorkflowError) -> None:
    print(f"told of {error.node}: {error.message} for {x}")


@dynamic
def fan(n: int) -> list[int]:
    return [double(x=number) for number in range(n)]


@workflow
def child(x: int) -> int:
    return double(x=x)


by_plan = LaunchPlan(child, name="lab-child")


@workflow
def kinds(n: int = 3) -> Found:
    items = map_task(uneven, min_successes=2, concurrency=2)(x=[1, 2, 3])
    return Found(
        items=items,
        doubled=fan(n=n),
        child=approve(by_plan(x=n), name="ship"),
        lines=count(source=lines()),
        loud=shout(text="said"),
        secrets=secretive(),
        shaped=shaped(),
    )


@workflow
def stamps(seed: int) -> int:
    return stamp(seed=seed)


@workflow(on_failure=tell)
def breaks(x: int = 7) -> int:
    return refuse(x=x)


@task
def slowly(x: int) -> int:
    time.sleep(2)
    return 2 * x


@eager
async def steps(n: int) -> int:
    done = 0
    for number in range(n):
        done += await slowly(x=number)
    return done


@workflow
def stepwise(n: int = 3) -> int:
    return steps(n=n)
