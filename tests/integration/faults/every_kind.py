"""A workflow with every kind of node that the sandbox can run, whose tasks tell the referee that they run."""

from pathlib import Path

from platform_rig import runs
from platform_rig.sandbox import Sandbox

from limosa_idl.admin.v1alpha1 import admin_pb2
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.names import ANNOTATION_SANDBOX_PYTHON
from limosa_model.values import integer

MODULE = "every"
# Whoever adds a kind of node adds a call of it to `every`.
_SOURCE = """
import time
from typing import NamedTuple

from limosa import (
    Cache, ContainerTask, LaunchPlan, ShellTask, WorkflowError, approve, chain, conditional, dynamic, eager, map_task, sleep, task,
    wait_for_input, workflow,
)
from referee_double import launch, started

TOLD = {{"REFEREE": {referee!r}}}

@task(environment=TOLD)
def step(x: int) -> int:
    started()
    time.sleep(0.2)
    return x + 1

@task(environment=TOLD, retries=2)
def tried(x: int) -> int:
    started()
    if launch() < 1:
        raise ConnectionError("the service did not answer")
    time.sleep(0.2)
    return x * 10

@task(environment=TOLD)
def odd(x: int) -> int:
    started()
    time.sleep(0.1 * (x % 3))
    if x == 3:
        raise ValueError("three")
    return x

@task(environment=TOLD)
def total(values: list[int | None], more: int) -> int:
    started()
    return sum(value or 0 for value in values) + more

@task(environment=TOLD, cache=Cache("v1", serialize=True))
def kept(x: int) -> int:
    started()
    time.sleep(0.2)
    return x + 5

@dynamic(environment=TOLD)
def grown(n: int) -> int:
    started()
    return total(values=[step(x=x) for x in range(n)], more=0)

@eager(environment=TOLD)
async def looped(x: int) -> int:
    started()
    while x < 3:
        x = await step(x=x)
    return x

@task(environment=TOLD)
def tidy(x: int, error: WorkflowError) -> int:
    started()
    time.sleep(0.2)
    return x

@task(environment=TOLD)
def broken(x: int) -> int:
    started()
    raise ValueError("broken on purpose")

shell = ShellTask(
    "shell", "sleep 0.2; echo $(( {{{{ .inputs.x }}}} * 2 )) > {{{{ .outputs.y }}}}",
    inputs={{"x": int}}, outputs={{"y": int}}, environment=TOLD,
)
raw = ContainerTask(
    "raw", image="team/tool:1",
    command=["/bin/sh", "-c", "sleep 0.2; echo $(( $(cat $LIMOSA_INPUTS/x) + 7 )) > $LIMOSA_OUTPUTS/y"],
    inputs={{"x": int}}, outputs={{"y": int}}, environment=TOLD,
)

@workflow
def leaf(x: int) -> int:
    return step(x=x)

plan = LaunchPlan(leaf, name="leaf-plan")

@workflow
def inner(x: int) -> int:
    deep = conditional("deep").if_(x > 5).then(step(x=x)).else_().then(total(values=[], more=x))
    return conditional("outer").if_(deep > 0).then(step(x=deep)).else_().fail("never")

class Found(NamedTuple):
    each: int
    inner: int
    child: int
    grown: int
    raw: int
    kept: int
    looped: int

@workflow
def every(x: int) -> Found:
    ten = tried(x=x)
    each = total(values=map_task(odd, min_successes=3)(x=[1, 2, 3, 4]), more=ten)
    nap = sleep("1s")
    nested = inner(x=approve(ten, name="ship"))
    chain(nap, nested)
    rate = wait_for_input("rate", int)
    return Found(each, nested, plan(x=rate), grown(n=3), raw(x=shell(x=ten)), kept(x=x), looped(x=x))

@workflow(on_failure=tidy)
def doomed(x: int) -> int:
    return broken(x=step(x=x))
"""
KINDS = {"task", "map", "branch", "sub_workflow", "launch_plan", "dynamic", "eager", "gate"}
"""As snapshots call them."""


def write_every_kind(folder: Path, referee: str) -> Path:
    """Writes the source file; `folder` becomes a source root."""
    folder.mkdir()
    (folder / "limosa.toml").touch()
    file = folder / f"{MODULE}.py"
    file.write_text(_SOURCE.format(referee=referee))
    return file


def start(sandbox: Sandbox, entity: str, name: str, **inputs: int) -> str:
    """Starts a registered workflow, programs of this machine in place of images; gives the run's uid."""
    annotations = {
        ANNOTATION_SANDBOX_PYTHON: str(sandbox.author_python),
        "limosa.dev/sandbox-host-process": "true",
    }
    with sandbox.client() as client:
        target = client.entity_id(admin_pb2.ENTITY_KIND_WORKFLOW, f"{MODULE}.{entity}", "v1")
        given = LiteralMap(literals={key: integer(value) for key, value in inputs.items()})
        # What an earlier run has in the cache must not stand in for this one's launches.
        mode = run_pb2.CACHE_MODE_OVERWRITE
        return client.create_run(name, target, given, annotations=annotations, cache_mode=mode).uid


def register(sandbox: Sandbox, file: Path) -> None:
    """Makes everything in the file known."""
    runs.limosa(sandbox, "register", str(file), "--version", "v1")


def answer(sandbox: Sandbox, name: str, path: str, code: str) -> None:
    """A person answers a gate that waits; a sleep needs nobody."""
    signal = run_pb2.Signal(node_path=path)
    if code == "WaitingForApproval":
        signal.approved = True
    elif code == "WaitingForInput":
        signal.value.CopyFrom(integer(4))
    else:
        return
    with sandbox.client() as client:
        client.signal_run(name, signal)
