"""Records of an eager node's calls: the same on every attempt, whatever store they lie in."""

import pytest

from limosa.compiler import CompileSettings, compile_call
from limosa.eager_calls import Prepared
from limosa.runtime.outcome import LaunchFailed
from limosa.runtime.recorded_calls import CallRecords
from limosa_idl.run.v1alpha1.run_pb2 import CallOutcome
from limosa_model import layout, values
from limosa_model.digests import serialize
from limosa_model.pod_contract import PodEnvironment
from limosa_store import StoreSettings, open_store

PREFIX = "demo/development/runs/calm-heron.uid-1"


def pod(launch: int = 0) -> PodEnvironment:
    fields = dict.fromkeys(PodEnvironment._fields, "")
    own = {"run_uid": "uid-1", "node_path": "n0", "launch": launch, "launch_id": f"l{launch}", "inputs": None}
    return PodEnvironment(**{**fields, **own})


@pytest.fixture
def store(tmp_path):
    return open_store(StoreSettings(url=f"file://{tmp_path}"))


def test_a_further_attempt_finds_its_calls_and_how_they_ended(store, calls):
    first = CallRecords(store, PREFIX, pod())
    assert first.earlier == set()
    first.put(*calls("square", 3))
    outcome = CallOutcome(run_uid="uid-1")
    outcome.outputs.literals["o0"].CopyFrom(values.integer(9))
    store.put(layout.outcome_key(PREFIX, "n0", "e0"), serialize(outcome))
    # Calls of an eager node that was called are that one's.
    store.put(layout.call_key(PREFIX, "n0/e0", "e1"), b"")
    again = CallRecords(store, PREFIX, pod(1))
    assert again.earlier == {"e0"}
    again.put(*calls("square", 3))
    assert again.had_ended("e0")
    assert again.outcome("e0") == outcome
    assert again.read("e0").launch_id == "l0"
    assert again.outcome("e1") is None


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (("square", 4), "an earlier attempt called square (flow.py:9) there with other inputs"),
        (("half", 3), "an earlier attempt called square (flow.py:9) there, and now it is not the same"),
    ],
)
def test_another_call_in_its_place_is_told_with_both(store, calls, second, says):
    CallRecords(store, PREFIX, pod()).put(*calls("square", 3))
    with pytest.raises(LaunchFailed) as refused:
        CallRecords(store, PREFIX, pod(1)).put(*calls(*second))
    failure = refused.value.failure
    assert failure.code == "CallMismatch"
    assert not failure.retryable
    assert says in failure.message
    assert "call e0" in failure.message


def test_another_option_of_the_same_task_is_another_call(store, calls):
    CallRecords(store, PREFIX, pod()).put(*calls("square", 3))
    with pytest.raises(LaunchFailed, match="not with the same options"):
        CallRecords(store, PREFIX, pod(1)).put(*calls("square", 3, retries=2))


def test_a_late_attempt_that_makes_the_same_call_does_no_harm(store, calls):
    early, late = CallRecords(store, PREFIX, pod()), CallRecords(store, PREFIX, pod(1))
    late.put(*calls("square", 3))
    early.put(*calls("square", 3))
    assert early.read("e0").launch_id == "l1"


def test_where_an_attempt_keeps_a_file_decides_nothing(store, calls):
    def filed(launch: str):
        prepared, closure = calls("square", 3)
        data = closure.workflows[0].nodes[0].inputs[0].data
        data.literal.Clear()
        data.literal.blob.uri, data.literal.digest = f"s3://b/launches/{launch}/data/a", "sha256:00"
        return prepared, closure

    CallRecords(store, PREFIX, pod()).put(*filed("l0"))
    CallRecords(store, PREFIX, pod(1)).put(*filed("l1"))


FLOW = """
import asyncio
from limosa import eager, task

@task
def half(x: int) -> int:
    return x // 2

@task
def square(x: int) -> int:
    return x * x

@eager
async def main(x: int) -> int:
    return x
"""


@pytest.fixture
def calls(tmp_path_factory, monkeypatch):
    """Makes the first call of an eager task: which task it is of, with which input, and perhaps other options."""
    import importlib

    from limosa.dynamic_tasks import Generated
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, BindingData, Node, WorkflowSpec

    folder = tmp_path_factory.mktemp("flow")
    (folder / "limosa.toml").touch()
    (folder / "recorded_flow.py").write_text(FLOW)
    monkeypatch.syspath_prepend(str(folder))
    module = importlib.import_module("recorded_flow")

    def make(name: str, x: int, retries: int = 0):
        node = Node(id="e0", display_name=name)
        node.task.task = getattr(module, name).name
        node.inputs.append(Binding(name="x", data=BindingData(literal=values.integer(x))))
        node.source.file, node.source.line = "flow.py", 9
        if retries:
            node.overrides.retry.retries = retries
        spec = WorkflowSpec(name=module.main.name, nodes=[node])
        made = Generated(spec, {getattr(module, name).name: getattr(module, name)})
        return Prepared("e0", name, "flow.py:9", made), compile_call(
            made, module.main, "e0", CompileSettings()
        )

    yield make
    importlib.sys.modules.pop("recorded_flow")
