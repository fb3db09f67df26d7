"""Pods of raw container tasks, and how their status reads."""

import base64
import dataclasses
import json

import pytest

from limosa_engine.commands import CreatePod
from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, LiteralMap, Offloaded
from limosa_idl.core.v1alpha1.types_pb2 import BlobType, LiteralType
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, RunSpec, TerminationRecord
from limosa_idl.task.v1alpha1.task_pb2 import ContainerTask, ResourceList, Resources, SecretRef, TaskSpec
from limosa_model.pod_contract import PodEnvironment, encode_termination
from limosa_model.raw_containers import ArgumentError
from limosa_model.values import integer, string
from limosa_propeller.pods.manifest import PodFactory, PodPolicyError
from limosa_propeller.pods.view import view_of
from limosa_propeller.settings import PodSettings

INPUTS = {
    "source": Literal(blob=Blob(uri="s3://b/root/x.csv")),
    "rate": integer(3),
    "note": string("$(HOME) {{ .inputs.rate }}"),
}


def task(**fields: object) -> TaskSpec:
    container = ContainerTask(
        command=["convert", "{{ .inputs.source }}"],
        args=["--rate={{.inputs.rate}}", "{{ .inputs.note }}", "{{ .outputs.result }}"],
        working_dir="/srv",
    )
    blob = LiteralType(blob=BlobType(dimensionality=BlobType.DIMENSIONALITY_SINGLE))
    interface = Interface(
        inputs=[Variable(name=name, type=blob) for name in INPUTS],
        outputs=[Variable(name="result", type=blob)],
    )
    resources = Resources(limits=ResourceList(memory="2Gi"))
    return TaskSpec(
        **{
            "name": "flow.convert",
            "container": container,
            "container_image": "team/convert:2",
            "interface": interface,
            "resources": resources,
            "environment": {"A": "b"},
            "secrets": [SecretRef(name="db", key="pw", env="PW")],
            "shared_memory": "1Gi",
            **fields,
        }
    )


def command(inputs: dict | None = None) -> CreatePod:
    literals = LiteralMap(literals=INPUTS if inputs is None else inputs)
    return CreatePod(Item("n0"), 0, "abcdefghij", "flow.convert", literals, "sha256:1", 60.0)


def factory(settings: PodSettings | None = None) -> PodFactory:
    spec = RunSpec(run_uid="u-1", name="calm-heron-4f2a", project="demo", domain="development")
    epoch = Epoch(generation=1, number=2)
    return PodFactory(spec, epoch, "demo-development", "cr-uid", "s3://b/root", settings or PodSettings())


def variables(container: dict) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_the_three_containers_follow_each_other() -> None:
    spec = factory().make(command(), task())["spec"]
    prepare, author = spec["initContainers"]
    (collect,) = spec["containers"]
    assert [c["name"] for c in (prepare, author, collect)] == ["limosa-prepare", "limosa-main", "task"]
    assert [c["image"] for c in (prepare, author, collect)] == [
        "limosa/task:latest",
        "team/convert:2",
        "limosa/task:latest",
    ]
    assert "restartPolicy" not in author
    assert spec["activeDeadlineSeconds"] == 60
    assert spec["automountServiceAccountToken"] is False


def test_the_author_s_container_has_the_task_s_share_and_no_credentials() -> None:
    author = factory().make(command(), task())["spec"]["initContainers"][1]
    assert author["command"] == ["convert", "/var/inputs/source"]
    assert author["args"] == ["--rate=3", "$$(HOME) {{ .inputs.rate }}", "/var/outputs/result"]
    assert author["workingDir"] == "/srv"
    assert "envFrom" not in author
    assert not [name for name in variables(author) if name.startswith("LIMOSA_POD_")]
    assert {"A": "b", "LIMOSA_INPUTS": "/var/inputs", "LIMOSA_OUTPUTS": "/var/outputs"}.items() <= variables(
        author
    ).items()
    assert author["resources"]["limits"]["memory"] == "2Gi"
    assert {mount["mountPath"] for mount in author["volumeMounts"]} >= {
        "/var/inputs",
        "/var/outputs",
        "/dev/shm",
    }
    assert author["securityContext"]["readOnlyRootFilesystem"] is False
    assert author["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_an_image_s_own_entry_point_stays() -> None:
    bare = task(container=ContainerTask())
    author = factory().make(command(), bare)["spec"]["initContainers"][1]
    assert not {"command", "args", "workingDir"} & author.keys()


def test_our_steps_know_the_interface_and_nothing_of_the_author_s() -> None:
    spec = factory().make(command(), task())["spec"]
    for step, container in (
        ("limosa-prepare", spec["initContainers"][0]),
        ("limosa-collect", spec["containers"][0]),
    ):
        contract = PodEnvironment.from_environ(variables(container))
        assert (contract.step, contract.input_directory, contract.output_directory) == (
            step,
            "/var/inputs",
            "/var/outputs",
        )
        assert TaskSpec.FromString(base64.b64decode(contract.container)).interface == task().interface
        assert "A" not in variables(container)
        assert "PW" not in variables(container)
        assert container["envFrom"][0]["secretRef"]["name"] == "limosa-storage"
        assert container["resources"]["limits"]["memory"] == "512Mi"


def test_memory_that_grew_is_the_author_s() -> None:
    spec = factory().make(dataclasses.replace(command(), memory="8Gi"), task())["spec"]
    assert spec["initContainers"][1]["resources"]["limits"]["memory"] == "8Gi"
    assert spec["containers"][0]["resources"]["limits"]["memory"] == "512Mi"


def test_what_is_too_large_for_an_argument_is_told() -> None:
    large = {**INPUTS, "note": Literal(offloaded=Offloaded(uri="s3://b/root/n.pb"))}
    with pytest.raises(
        ArgumentError, match="input 'note' is too large for an argument; read the file /var/inputs/note"
    ):
        factory().make(command(large), task())


def test_templates_reach_the_author_s_container_and_not_the_contract() -> None:
    template = {"spec": {"initContainers": [{"name": "limosa-main", "env": [{"name": "B", "value": "c"}]}]}}
    pod = factory().make(command(), task(pod_template=json.dumps(template)))
    assert variables(pod["spec"]["initContainers"][1])["B"] == "c"
    for name in ("limosa-prepare", "task"):
        section = "containers" if name == "task" else "initContainers"
        forged = {"spec": {section: [{"name": name, "env": [{"name": "LIMOSA_POD_STEP", "value": ""}]}]}}
        with pytest.raises(PodPolicyError, match="LIMOSA_POD_"):
            factory().make(command(), task(pod_template=json.dumps(forged)))
    stolen = {
        "spec": {
            "initContainers": [
                {"name": "limosa-main", "envFrom": [{"secretRef": {"name": "limosa-storage"}}]}
            ]
        }
    }
    with pytest.raises(PodPolicyError, match="limosa-storage is the platform's"):
        factory().make(command(), task(pod_template=json.dumps(stolen)))


def test_a_template_of_another_task_cannot_pose_as_a_raw_container() -> None:
    posed = {"spec": {"initContainers": [{"name": "limosa-main", "image": "x"}]}}
    plain = TaskSpec(name="flow.f", pod_template=json.dumps(posed))
    plain.python.loader = "flow:f"
    with pytest.raises(PodPolicyError, match="names that begin with limosa- are the platform's"):
        factory().make(command(), plain)


def pod(phase: str, **states: dict) -> dict:
    init = [{"name": f"limosa-{name}", "state": state} for name, state in states.items() if name != "task"]
    own = [{"name": "task", "state": states.get("task", {"waiting": {"reason": "PodInitializing"}})}]
    status = {"phase": phase, "initContainerStatuses": init, "containerStatuses": own}
    return {"metadata": {"uid": "u"}, "spec": {}, "status": status}


DONE = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": "2026-01-01T00:00:00Z"}}
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:10Z"}}


def test_while_the_author_s_container_runs_the_pod_runs() -> None:
    view = view_of(pod("Pending", prepare=DONE, main=RUNNING))
    assert (view.phase, view.waiting_reason) == ("Running", "")
    assert view.started_at == 1767225610.0


def test_before_that_it_is_pending_with_the_reason() -> None:
    pull = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    view = view_of(pod("Pending", prepare=DONE, main=pull))
    assert (view.phase, view.waiting_reason, view.waiting_message) == (
        "Pending",
        "ImagePullBackOff",
        "no such image",
    )


@pytest.mark.parametrize(("code", "reason"), [(3, "Error"), (137, "OOMKilled")])
def test_the_author_s_exit_code_is_the_launch_s(code: int, reason: str) -> None:
    failed = {"terminated": {"exitCode": code, "reason": reason, "message": "limosa1 forged"}}
    view = view_of(pod("Failed", prepare=DONE, main=failed))
    assert (view.phase, view.exit_code, view.author_exit_code, view.terminated_reason) == (
        "Failed",
        code,
        code,
        reason,
    )
    assert view.record is None


def test_a_result_that_was_there_ends_the_pod_before_the_author_s_container() -> None:
    record = TerminationRecord(launch_id="a", outcome=TerminationRecord.OUTCOME_SUPERSEDED)
    ended = {"terminated": {"exitCode": 3, "message": encode_termination(record)}}
    view = view_of(pod("Failed", prepare=ended, main={"waiting": {"reason": "PodInitializing"}}))
    assert view.record == record
    assert view.author_exit_code is None


def test_the_last_step_s_message_is_the_launch_s() -> None:
    record = TerminationRecord(launch_id="a", outcome=TerminationRecord.OUTCOME_COMMITTED)
    ended = {"terminated": {"exitCode": 0, "message": encode_termination(record)}}
    view = view_of(pod("Succeeded", prepare=DONE, main=DONE, task=ended))
    assert (view.phase, view.record, view.author_exit_code) == ("Succeeded", record, None)
