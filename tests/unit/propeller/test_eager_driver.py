"""A run with an eager node in the operator: its pod, the calls that admin tells of, and what is said back."""

from pathlib import Path

from driver_stage import Stage, chain, settle

from limosa_idl.run.v1alpha1.run_pb2 import CallOutcome, EagerCall
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, BindingData, Closure, OutputRef
from limosa_model import layout, names, values
from limosa_model.attempt_tokens import AttemptClaims, is_genuine, read_token
from limosa_model.digests import serialize
from limosa_model.pod_contract import PodEnvironment
from limosa_propeller.pods.resources import container_resources
from limosa_propeller.runs.closures import needs_admin
from limosa_propeller.settings import PodSettings

KEY = b"key"
PREFIX = layout.run_prefix("demo", "development", "calm-heron", "run-uid")


def eager() -> Closure:
    """A workflow of one eager node."""
    closure = chain(1)
    closure.tasks[0].eager.CopyFrom(PythonTask(loader="f:t"))
    closure.workflows[0].nodes[0].eager.task = "f.t"
    return closure


def call(name: str = "e0") -> Closure:
    """What it calls: a task, which shares its name with nothing."""
    closure = chain(1)
    closure.tasks[0].name = "f.u"
    closure.entry = closure.workflows[0].name = "f.t"
    workflow = closure.workflows[0]
    workflow.interface.ClearField("inputs")
    node = workflow.nodes[0]
    node.id, node.task.task = name, "f.u"
    node.inputs[0].CopyFrom(Binding(name="x", data=BindingData(literal=values.integer(3))))
    workflow.outputs[0].data.output.CopyFrom(OutputRef(node=name, output="o0"))
    return closure


def record(stage: Stage, closure: Closure, name: str = "e0", run_uid: str = "run-uid") -> None:
    made = EagerCall(run_uid=run_uid, call=name, graph=serialize(closure))
    store = stage.services.store._store  # type: ignore[attr-defined]
    store.put(layout.call_key(PREFIX, "n0", name), serialize(made))


def outcome(stage: Stage, name: str = "e0") -> CallOutcome:
    store = stage.services.store._store  # type: ignore[attr-defined]
    return CallOutcome.FromString(store.get(layout.outcome_key(PREFIX, "n0", name)))


async def begun(folder: Path) -> Stage:
    stage = Stage(folder, eager())
    stage.driver.word.give_call_key(KEY)
    await stage.start()
    return stage


async def test_without_admins_key_the_pod_waits_and_admin_is_asked(tmp_path: Path) -> None:
    stage = Stage(tmp_path, eager())
    await stage.start()
    assert stage.cluster.pods == {}
    assert (stage.driver.word.wants_call_key, stage.told > 0) == (True, True)
    stage.driver.word.give_call_key(KEY)
    assert not stage.driver.word.wants_call_key


async def test_its_pod_is_told_who_it_is_and_how_deep_it_lies(tmp_path: Path) -> None:
    stage = await begun(tmp_path)
    (pod,) = stage.cluster.pods.values()
    assert pod["metadata"]["annotations"][names.ANNOTATION_EAGER_DEPTH] == "1"
    environ = {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0]["env"]}
    token = PodEnvironment.from_environ(environ).attempt_token
    assert read_token(token) == AttemptClaims("run-uid", "n0", "1.1", 0)
    assert is_genuine(token, KEY)


async def test_a_call_runs_and_its_outcome_is_written(tmp_path: Path) -> None:
    stage = await begun(tmp_path)
    record(stage, call())
    stage.driver.called(["n0/e0"])
    await settle()
    assert stage.driver.word.calls_taken() == ["n0/e0"]
    assert len(stage.cluster.pods) == 2
    await stage.end_pods(left=1)
    assert values.to_plain(outcome(stage).outputs.literals["o0"]) == 7
    # Of what has ended admin tells no more.
    assert stage.driver.word.calls_taken() == []


async def test_a_call_that_admin_tells_of_before_its_record_is_there_is_heard_again(tmp_path: Path) -> None:
    stage = await begun(tmp_path)
    stage.driver.called(["n0/e0"])
    await settle()
    assert stage.driver.word.calls_taken() == []
    record(stage, call())
    stage.driver.called(["n0/e0"])
    await settle()
    assert len(stage.cluster.pods) == 2


async def test_a_call_that_may_not_run_gets_the_refusal_as_its_outcome(tmp_path: Path) -> None:
    stage = await begun(tmp_path)
    privileged = call()
    privileged.tasks[0].pod_template = '{"spec": {"hostNetwork": true}}'
    record(stage, privileged)
    record(stage, call("e1"), "e2")
    stage.driver.called(["n0/e0", "n0/e2"])
    await settle()
    assert len(stage.cluster.pods) == 1
    assert outcome(stage).failure.code == "PodPolicy"
    assert "hostNetwork" in outcome(stage).failure.message
    assert "a call is the one node 'e2'" in outcome(stage, "e2").failure.message
    assert stage.driver.word.calls_taken() == ["n0/e0", "n0/e2"]


async def test_records_of_other_runs_are_none(tmp_path: Path) -> None:
    stage = await begun(tmp_path)
    record(stage, call(), run_uid="another")
    stage.driver.called(["n0/e0"])
    await settle()
    assert (len(stage.cluster.pods), stage.driver.word.calls_taken()) == (1, [])


def test_a_run_that_no_admin_knows_cannot_have_eager_tasks() -> None:
    assert "reaches a run through admin only" in needs_admin(eager())
    assert needs_admin(chain(1)) == ""


def test_eager_tasks_ask_for_little() -> None:
    settings = PodSettings(default_cpu="2", default_memory="4Gi")
    small = container_resources(TaskSpec(name="f.t", eager=PythonTask(loader="f:t")), settings)
    assert small == {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}}
    usual = container_resources(TaskSpec(name="f.t", python=PythonTask(loader="f:t")), settings)
    assert usual["requests"] == {"cpu": "2", "memory": "4Gi"}
