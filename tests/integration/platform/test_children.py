"""Runs that launch runs, on the whole platform."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from platform_rig import runs
from platform_rig.sandbox import RUNS, Sandbox
from platform_rig.waiting import wait_for

from limosa.remote import Client
from limosa_idl.run.v1alpha1 import run_pb2

FLOW = """
import time
from limosa import LaunchPlan, conditional, task, workflow

@task
def plus(x: int, y: int = 1) -> int:
    return x + y

@task
def boom(x: int) -> int:
    raise ValueError(f"no {x}")

@task
def sleeps(x: int) -> int:
    time.sleep(600)
    return x

@workflow
def leaf(x: int, y: int) -> int:
    return plus(x=x, y=y)

by_ten = LaunchPlan(leaf, name="by-ten", fixed_inputs={"y": 10})

@workflow
def parent(x: int) -> int:
    return plus(x=by_ten(x=plus(x=x)))

@workflow
def down(x: int) -> int:
    return conditional("end").if_(x > 0).then(again(x=x)).else_().then(plus(x=x, y=100))

@workflow
def further(x: int) -> int:
    return deeper(x=plus(x=x, y=-1))

deeper = LaunchPlan(down, name="deeper", max_active_runs=1)
again = LaunchPlan(further, name="again", max_active_runs=1)

@workflow
def broken(x: int) -> int:
    return boom(x=x)

breaks = LaunchPlan(broken, name="breaks")

@workflow
def parent_of_broken(x: int) -> int:
    return plus(x=breaks(x=x))

@workflow
def long(x: int) -> int:
    return sleeps(x=x)

lasts = LaunchPlan(long, name="lasts")

@workflow
def between(x: int) -> int:
    return lasts(x=x)

middle = LaunchPlan(between, name="middle")

@workflow
def grandparent(x: int) -> int:
    return middle(x=x)
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("children"))
    (made.folder / "pyproject.toml").write_text("")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def flow(sandbox: Sandbox) -> Path:
    file = sandbox.folder / "flow.py"
    file.write_text(FLOW)
    return file


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    with sandbox.client() as client:
        yield client


def child_of(client: Client, name: str, path: str) -> str:
    """Name of the child run that a node shows; empty before there is one."""
    found = {snapshot.key.node_path: snapshot.node for snapshot in client.get_run(name).snapshots}
    return found[path].child_run if path in found else ""


def test_a_childs_outputs_are_its_nodes(sandbox: Sandbox, flow: Path, client: Client) -> None:
    ended = runs.run(sandbox, flow, "parent", {"x": 5})
    assert ended.phase == "SUCCEEDED", ended.failure
    assert runs.outputs(sandbox, ended.name) == {"o0": 17}
    assert runs.outputs(sandbox, ended.name, "n1") == {"o0": 16}
    child = client.get_run(child_of(client, ended.name, "n1")).run
    assert (child.parent.run_name, child.parent.node_path, child.parent.depth) == (ended.name, "n1", 1)
    assert runs.outputs(sandbox, child.name) == {"o0": 16}


def test_launch_plans_of_limit_one_call_each_other(sandbox: Sandbox, flow: Path) -> None:
    ended = runs.run(sandbox, flow, "down", {"x": 2})
    assert ended.phase == "SUCCEEDED", ended.failure
    assert runs.outputs(sandbox, ended.name) == {"o0": 100}


def test_a_recursion_without_end_is_a_users_failure(sandbox: Sandbox, flow: Path) -> None:
    ended = runs.run(sandbox, flow, "down", {"x": 9})
    assert (ended.phase, ended.failure.code) == ("FAILED", "ChildFailed")
    assert "TooDeep" in ended.failure.message
    assert "end the recursion earlier" in ended.failure.message


def test_a_failed_child_names_itself_and_its_own_failure(
    sandbox: Sandbox, flow: Path, client: Client
) -> None:
    ended = runs.run(sandbox, flow, "parent_of_broken", {"x": 3})
    child = child_of(client, ended.name, "n0")
    assert (ended.phase, ended.failure.code) == ("FAILED", "ChildFailed")
    assert f"child run {child} failed at n0: UserException: ValueError: no 3" in ended.failure.message
    assert ended.failure.exception.type == "ValueError"


def test_a_kill_of_the_operator_makes_no_second_child(sandbox: Sandbox, flow: Path, client: Client) -> None:
    name = runs.submit(sandbox, flow, "down", {"x": 1})
    for _ in range(3):
        sandbox.kill_part("operator")
    ended = runs.await_end(client, name)
    assert ended.phase == "SUCCEEDED", ended.failure
    assert runs.outputs(sandbox, name) == {"o0": 100}
    made = [run for run in client.list_runs() if run.HasField("parent")]
    places = [(run.parent.run_name, run.parent.node_path) for run in made]
    assert len(set(places)) == len(places)
    below = [run for run in made if run.parent.run_name == name]
    assert len(below) == 1
    assert [run.parent.depth for run in made if run.parent.run_name == below[0].name] == [2]


def test_a_person_sees_the_child_at_its_node(sandbox: Sandbox, flow: Path, client: Client) -> None:
    ended = runs.run(sandbox, flow, "parent", {"x": 5})
    child = child_of(client, ended.name, "n1")
    assert f"run {child}" in runs.limosa(sandbox, "get", "run", ended.name)
    facts = json.loads(runs.limosa(sandbox, "get", "run", child, "-o", "json"))
    assert json.dumps(facts).count(f'"parent_run": "{ended.name}"') == 1


def test_an_abort_reaches_grandchildren(sandbox: Sandbox, flow: Path, client: Client) -> None:
    name = runs.submit(sandbox, flow, "grandparent", {"x": 3})
    middle = wait_for(lambda: child_of(client, name, "n0"), sandbox.told)
    wait_for(lambda: any(run.name == middle for run in client.list_runs()), sandbox.told)
    last = wait_for(lambda: child_of(client, middle, "n0"), sandbox.told)
    running = run_pb2.NODE_PHASE_RUNNING

    def sleeps() -> bool:
        if not any(run.name == last for run in client.list_runs()):
            return False
        nodes = (
            snapshot.node for snapshot in client.get_run(last).snapshots if not snapshot.HasField("launch")
        )
        return any(node.phase == running for node in nodes)

    wait_for(sleeps, sandbox.told)
    runs.limosa(sandbox, "abort", name)
    for each in (name, middle, last):
        assert runs.await_end(client, each).phase == "ABORTED"
    wait_for(lambda: not sandbox.objects(RUNS), sandbox.told)
