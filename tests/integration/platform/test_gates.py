"""Gates and what runs on failure, on the whole platform: real admin, operator, pods and command line."""

import json
import re
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
from limosa import WorkflowError, approve, chain, check, eager, map_task, sleep, task, wait_for_input, workflow
from limosa.nodes import length

@task
def plus(x: int, y: int = 1) -> int:
    return x + y

@task
def boom(x: int) -> int:
    raise ValueError(f"no {x}")

@task
def lasts(x: int) -> int:
    time.sleep(x)
    return x

@task
def tell(x: int, error: WorkflowError) -> str:
    return f"{x} {error.node} {error.code} {error.kind} {error.message}"

@workflow
def release(x: int) -> int:
    made = plus(x=x)
    rate = wait_for_input("rate", int, prompt="how much?")
    return plus(x=approve(made, name="ship", prompt="ship it?"), y=rate)

@workflow
def inner() -> int:
    return plus(x=wait_for_input("deep", int))

@workflow
def nested() -> int:
    return plus(x=inner())

@eager
async def reaches() -> int:
    return await inner() + 1

@workflow
def late(x: int) -> int:
    return approve(plus(x=x), name="late", timeout="2s")

@workflow
def guarded(x: int) -> int:
    made = plus(x=x)
    last = plus(x=made)
    check(made > 5, "too few rows") >> last
    return last

@workflow
def counted(xs: list[int]) -> int:
    many = length(xs)
    return plus(x=many, y=length(map_task(plus)(x=xs)))

@workflow
def nap(x: int) -> int:
    first, pause, last = plus(x=x), sleep("3s"), plus(x=x, y=2)
    chain(first, pause, last)
    return last

@workflow(on_failure=tell)
def told(x: int) -> int:
    return boom(x=plus(x=x))

@workflow
def waits() -> None:
    approve(name="door")

@workflow
def works(x: int) -> int:
    return lasts(x=x)
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("gates"))
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


def node(client: Client, name: str, path: str) -> run_pb2.NodeState:
    """The latest state of a node; an empty one before there is any."""
    states = (one for one in client.get_run(name).snapshots if one.key.node_path == path)
    return next((one.node for one in states if not one.key.HasField("launch")), run_pb2.NodeState())


def reason(client: Client, name: str, path: str) -> str:
    return node(client, name, path).reason.code


def phase(client: Client, name: str) -> str:
    return runs.phase_name(client.get_run(name).run.state.phase)


def test_people_answer_gates_and_the_run_goes_on(sandbox: Sandbox, flow: Path, client: Client) -> None:
    name = runs.submit(sandbox, flow, "release", {"x": 3})
    wait_for(lambda: reason(client, name, "n2") == "WaitingForApproval", sandbox.told)
    wait_for(lambda: phase(client, name) == "PARKED", sandbox.told)
    assert node(client, name, "n1").reason.detail == "how much?"
    screen = runs.limosa(sandbox, "get", "run", name)
    assert f"limosa approve {name} n2" in screen
    assert f"limosa signal {name} n1 <int>" in screen
    refused = runs.try_limosa(sandbox, "signal", name, "rate", "much")
    assert refused.returncode == 2
    assert "the value for n1 (rate)" in refused.stderr
    assert "approved n2 (ship)" in runs.try_limosa(sandbox, "approve", name, "ship").stderr
    said = runs.try_limosa(sandbox, "approve", name, "ship").stderr
    # Also where the gate is over by now.
    assert f"n2 (ship) of {name} was approved by you at" in said, said
    runs.limosa(sandbox, "signal", name, "rate", "10")
    ended = runs.await_end(client, name)
    assert ended.phase == "SUCCEEDED", ended.failure
    assert runs.outputs(sandbox, name) == {"o0": 14}
    assert runs.outputs(sandbox, name, "n1") == {"o0": 10}
    again = runs.try_limosa(sandbox, "approve", name, "ship")
    assert "has ended" in again.stderr


def test_a_rejection_names_who_said_no(sandbox: Sandbox, flow: Path, client: Client) -> None:
    name = runs.submit(sandbox, flow, "release", {"x": 3})
    # Before its turn comes, perhaps: the answer is kept.
    runs.limosa(sandbox, "approve", name, "ship", "--reject")
    ended = runs.await_end(client, name)
    assert (ended.phase, ended.failure.code) == ("FAILED", "Rejected")
    who = json.loads(runs.limosa(sandbox, "get", "run", name, "-o", "json"))["created_by"]
    assert f"was rejected by {who}" in ended.failure.message


@pytest.mark.parametrize(
    ("entity", "path", "called"), [("nested", "n0/n0", "n0/n0"), ("reaches", "n0/e0/n0", "deep")]
)
def test_a_gate_in_a_sub_workflow_or_below_an_eager_node_is_answered(
    sandbox: Sandbox, flow: Path, client: Client, entity: str, path: str, called: str
) -> None:
    name = runs.submit(sandbox, flow, entity)
    wait_for(lambda: reason(client, name, path) == "WaitingForInput", sandbox.told)
    runs.limosa(sandbox, "signal", name, called, "5")
    assert runs.await_end(client, name).phase == "SUCCEEDED"
    assert runs.outputs(sandbox, name) == {"o0": 7}


def test_a_gate_that_nobody_answers_fails_in_time(sandbox: Sandbox, flow: Path) -> None:
    ended = runs.run(sandbox, flow, "late", {"x": 1})
    assert (ended.phase, ended.failure.code) == ("FAILED", "GateTimeout")
    assert "gate n1 ('late') got no approval within 2 s" in ended.failure.message


def test_a_check_lets_pass_or_says_what_is_wrong(sandbox: Sandbox, flow: Path, client: Client) -> None:
    passed = runs.run(sandbox, flow, "guarded", {"x": 6})
    assert runs.outputs(sandbox, passed.name) == {"o0": 8}
    failed = runs.run(sandbox, flow, "guarded", {"x": 2})
    assert (failed.phase, failed.failure.code) == ("FAILED", "CheckFailed")
    assert re.match(r"too few rows \(the check at flow\.py:\d+\)", failed.failure.message)
    assert node(client, failed.name, "n1").phase != run_pb2.NODE_PHASE_SUCCEEDED
    rows = runs.limosa(sandbox, "resume", "--dry-run", failed.name)
    assert "n0" in rows
    assert "reused" in rows


def test_what_a_node_computes_is_a_result_as_any_is(sandbox: Sandbox, flow: Path, client: Client) -> None:
    ended = runs.run(sandbox, flow, "counted", {"xs": [4, 5, 6]})
    assert runs.outputs(sandbox, ended.name) == {"o0": 6}
    assert json.loads(runs.limosa(sandbox, "outputs", "-o", "json", ended.name, "n0")) == {"o0": 3}
    computed = node(client, ended.name, "n0")
    assert (computed.kind, computed.target, computed.phase) == (
        "computed",
        "length",
        run_pb2.NODE_PHASE_SUCCEEDED,
    )
    assert "length" in runs.limosa(sandbox, "get", "run", ended.name)


def test_a_sleep_passes_and_holds_no_pod(sandbox: Sandbox, flow: Path, client: Client) -> None:
    name = runs.submit(sandbox, flow, "nap", {"x": 1})
    wait_for(lambda: reason(client, name, "n1") == "Sleeping", sandbox.told)
    assert runs.await_end(client, name).phase == "SUCCEEDED"
    assert runs.outputs(sandbox, name) == {"o0": 3}


def test_the_handler_is_told_why(sandbox: Sandbox, flow: Path, client: Client) -> None:
    ended = runs.run(sandbox, flow, "told", {"x": 1})
    assert (ended.phase, ended.failure.code) == ("FAILED", "UserException")
    made = {"o0": "1 n1 UserException USER ValueError: no 2"}
    assert runs.outputs(sandbox, ended.name, "on-failure") == made
    given = json.loads(runs.limosa(sandbox, "inputs", ended.name, "on-failure", "-o", "json"))
    assert (given["x"], given["error"]["node"]) == (1, "n1")
    assert json.loads(runs.limosa(sandbox, "replay", ended.name, "on-failure", "-o", "json")) == made


def test_answers_are_kept_while_operator_and_admin_are_down(
    sandbox: Sandbox, flow: Path, client: Client
) -> None:
    name = runs.submit(sandbox, flow, "release", {"x": 1})
    wait_for(lambda: reason(client, name, "n1") == "WaitingForInput", sandbox.told)
    sandbox.kill_part("operator")
    runs.limosa(sandbox, "signal", name, "rate", "10")
    sandbox.kill_part("admin")
    sandbox.await_parts()
    wait_for(lambda: node(client, name, "n1").phase == run_pb2.NODE_PHASE_SUCCEEDED, sandbox.told)
    sandbox.kill_part("operator")
    runs.limosa(sandbox, "approve", name, "ship")
    assert runs.await_end(client, name).phase == "SUCCEEDED"
    assert runs.outputs(sandbox, name) == {"o0": 12}


def test_a_run_applied_by_hand_with_gates_is_refused_and_says_why(sandbox: Sandbox, flow: Path) -> None:
    text = runs.limosa(sandbox, "run", "--manifest", "-o", "json", str(flow), "waits")
    manifest = json.loads(text)
    status, made = sandbox.kube("POST", RUNS, manifest)
    assert status == 201, made
    path = f"{RUNS}/{made['metadata']['name']}"
    ended = wait_for(lambda: (sandbox.kube("GET", path)[1].get("status") or {}).get("failure"), sandbox.told)
    assert "signals reach a run through admin only" in ended["message"]
    sandbox.kube("DELETE", path)
