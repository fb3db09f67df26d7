import dataclasses
import json

import pytest

from limosa_engine.commands import CreatePod
from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, RunSpec
from limosa_idl.task.v1alpha1.task_pb2 import (
    MemoryGrowth,
    PythonTask,
    ResourceList,
    Resources,
    RetryPolicy,
    SecretRef,
    TaskSpec,
)
from limosa_model.names import launch_id
from limosa_model.pod_contract import PodEnvironment
from limosa_model.values import integer, string
from limosa_propeller.pods.allowances import parse_allowances
from limosa_propeller.pods.manifest import PodFactory, PodPolicyError
from limosa_propeller.pods.policy import referenced_secrets
from limosa_propeller.pods.shapes import ShapesError, parse_shapes
from limosa_propeller.settings import PodSettings

SPEC = RunSpec(
    run_uid="u-1",
    name="calm-heron-4f2a",
    project="demo",
    domain="development",
    labels={"team": "blue", "limosa.dev/run": "forged"},
    annotations={"limosa.dev/sandbox-python": "/venv/bin/python"},
)


def task(**fields: object) -> TaskSpec:
    python = PythonTask(loader="house:train", bundle_digest="ab" * 32, python_version="3.11")
    return TaskSpec(name="house.train", python=python, **fields)


def command(inputs: dict | None = None, index: int | None = None, timeout: float | None = None) -> CreatePod:
    literals = LiteralMap(literals=inputs or {"x": integer(3)})
    return CreatePod(Item("n0/n3", index), 2, "abcdefghij", "house.train", literals, "sha256:1", timeout)


def factory(settings: PodSettings | None = None) -> PodFactory:
    settings = settings or PodSettings()
    return PodFactory(
        SPEC, Epoch(generation=1, number=2), "demo-development", "cr-uid", "s3://b/root", settings
    )


def environment(pod: dict) -> dict[str, str]:
    return {e["name"]: e.get("value", "") for e in pod["spec"]["containers"][0]["env"]}


def test_every_pod_is_locked_down() -> None:
    spec = factory().make(command(), task())["spec"]
    assert spec["restartPolicy"] == "Never"
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = spec["containers"][0]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["command"] == ["python", "-m", "limosa.runtime"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/home/limosa", "/tmp"}
    assert "activeDeadlineSeconds" not in spec


@pytest.mark.parametrize(
    "patch",
    [
        {"automountServiceAccountToken": None, "securityContext": None, "serviceAccountName": None},
        {"securityContext": {"runAsUser": None, "runAsNonRoot": None, "seccompProfile": None}},
        {"securityContext": {"$patch": "replace"}},
        {"securityContext": {"$patch": "delete"}},
        {"$retainKeys": ["containers", "volumes", "restartPolicy", "enableServiceLinks"]},
        {"containers": [{"name": "task", "securityContext": None, "resources": None}]},
    ],
)
def test_a_template_that_removes_gets_no_more_than_one_that_is_silent(patch: dict) -> None:
    made = factory(PodSettings(service_account="trainer"))
    silent = made.make(command(), task(pod_template=json.dumps({"spec": {}})))["spec"]
    pod = made.make(command(), task(pod_template=json.dumps({"spec": patch})))["spec"]
    for field in ("automountServiceAccountToken", "securityContext", "serviceAccountName"):
        assert pod[field] == silent[field]
    for field in ("securityContext", "resources"):
        assert pod["containers"][0][field] == silent["containers"][0][field]


def test_annotations_do_not_loosen_a_pod_either() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/task"
    with pytest.raises(PodPolicyError, match=r"metadata\.annotations.*runtime/default"):
        factory().make(command(), task(annotations={key: "unconfined"}))


def test_memory_that_a_template_fixes_cannot_grow() -> None:
    growing = task(
        retry=RetryPolicy(retries=1, memory=MemoryGrowth(factor=2.0)),
        pod_template=json.dumps(
            {"spec": {"containers": [{"name": "task", "resources": {"limits": {"memory": "128Mi"}}}]}}
        ),
    )
    with pytest.raises(PodPolicyError, match=r"limits\.memory is set while Retry.* write mem= of the task"):
        factory().make(command(), growing)


def test_names_say_which_launch_it_is_and_cannot_be_forged() -> None:
    metadata = factory().make(command(index=7), task(labels={"limosa.dev/node": "x", "own": "y"}))["metadata"]
    assert metadata["name"] == "calm-heron-4f2a-abcdefghij"
    assert metadata["labels"] == {
        "team": "blue",
        "own": "y",
        "limosa.dev/run": "calm-heron-4f2a",
        "limosa.dev/node": "n0.n3",
        "limosa.dev/project": "demo",
        "limosa.dev/domain": "development",
        "limosa.dev/launch-id": "abcdefghij",
    }
    assert metadata["annotations"]["limosa.dev/sandbox-python"] == "/venv/bin/python"
    assert metadata["annotations"]["limosa.dev/index"] == "7"
    assert metadata["annotations"]["limosa.dev/epoch"] == "1.2"
    owner = metadata["ownerReferences"][0]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("WorkflowRun", "cr-uid", True)


def test_the_runtime_reads_back_what_the_operator_wrote() -> None:
    contract = PodEnvironment.from_environ(environment(factory().make(command(index=0), task())))
    assert contract.inputs == command().inputs
    assert (contract.node_path, contract.index, contract.launch) == ("n0/n3", 0, 2)
    assert (contract.loader, contract.bundle, contract.storage_root) == (
        "house:train",
        "ab" * 32,
        "s3://b/root",
    )


CLAIM = {"persistentVolumeClaim": {"claimName": "packages"}}
HOST = {"hostPath": {"path": "/somewhere"}}


def test_packages_are_unpacked_where_the_clusters_owner_says() -> None:
    code = PythonTask(loader="house:fan", packages="cd" * 32, package_locks={"ef": "cd" * 32})
    spec = TaskSpec(name="house.fan", dynamic=code)
    alone = factory().make(command(), spec)
    told = PodEnvironment.from_environ(environment(alone))
    assert (told.packages, told.packages_directory) == ("cd" * 32, "")
    assert json.loads(told.package_locks) == {"ef": "cd" * 32}
    shared = factory(PodSettings(packages_volume=CLAIM)).make(command(), spec)
    assert {"name": "limosa-packages", **CLAIM} in shared["spec"]["volumes"]
    mounts = shared["spec"]["containers"][0]["volumeMounts"]
    directory = PodEnvironment.from_environ(environment(shared)).packages_directory
    assert {"name": "limosa-packages", "mountPath": directory} in mounts
    assert shared["spec"]["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_a_task_without_packages_has_no_volume_for_them() -> None:
    assert factory(PodSettings(packages_volume=CLAIM)).make(command(), task()) == factory().make(
        command(), task()
    )


def test_no_policy_judges_the_volume_of_the_clusters_owner() -> None:
    template = json.dumps({"spec": {"volumes": [{"name": "own", "emptyDir": {}}]}})
    spec = task(pod_template=template)
    spec.python.packages = "cd" * 32
    made = factory(PodSettings(packages_volume=HOST))
    assert {"name": "limosa-packages", **HOST} in made.make(command(), spec)["spec"]["volumes"]
    spec.pod_template = json.dumps(
        {"spec": {"volumes": [{"name": "limosa-packages", "hostPath": {"path": "/"}}]}}
    )
    with pytest.raises(PodPolicyError, match="hostPath"):
        made.make(command(), spec)


def test_large_inputs_travel_by_uri() -> None:
    large = command({"x": string("y" * 9000)})
    contract = PodEnvironment.from_environ(environment(factory().make(large, task())))
    assert contract.inputs is None
    assert contract.inputs_uri == (
        "s3://b/root/demo/development/runs/calm-heron-4f2a.u-1/launches/abcdefghij/inputs.pb"
    )


def test_sensitive_inputs_never_stand_in_the_pod() -> None:
    interface = Interface(inputs=[Variable(name="x", sensitive=True)])
    pod = factory().make(command({"x": string("hunter2")}), task(interface=interface))
    assert "hunter2" not in json.dumps(pod)
    assert PodEnvironment.from_environ(environment(pod)).inputs is None


def test_an_author_cannot_change_the_contract_nor_trigger_expansion() -> None:
    pod = factory().make(command(), task(environment={"LIMOSA_POD_LAUNCH_ID": "mine", "A": "$(HOME)"}))
    assert environment(pod)["LIMOSA_POD_LAUNCH_ID"] == "abcdefghij"
    assert environment(pod)["A"] == "$$(HOME)"


def test_secrets_come_by_reference() -> None:
    pod = factory().make(command(), task(secrets=[SecretRef(name="db", key="password", env="DB_PASSWORD")]))
    entry = next(e for e in pod["spec"]["containers"][0]["env"] if e["name"] == "DB_PASSWORD")
    assert entry["valueFrom"] == {"secretKeyRef": {"name": "db", "key": "password"}}


def test_the_timeout_is_the_kubelets_too() -> None:
    assert factory().make(command(timeout=1.2), task())["spec"]["activeDeadlineSeconds"] == 2


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        ({}, {}, {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "512Mi"}}),
        (
            {"cpu": "2", "memory": "1Gi"},
            {"memory": "1Gi"},
            {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        ),
        (
            {},
            {"cpu": "100m", "memory": "64Mi"},
            {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
        ),
        (
            {"gpu": 2},
            {},
            {
                "requests": {"cpu": "250m", "memory": "512Mi", "nvidia.com/gpu": "2"},
                "limits": {"memory": "512Mi", "nvidia.com/gpu": "2"},
            },
        ),
        ({"memory": "1Gi"}, {}, {"requests": {"cpu": "250m", "memory": "1Gi"}}),
    ],
)
def test_resources(requests: dict, limits: dict, expected: dict) -> None:
    resources = Resources(requests=ResourceList(**requests), limits=ResourceList(**limits))
    assert (
        factory().make(command(), task(resources=resources))["spec"]["containers"][0]["resources"] == expected
    )


def test_accelerators_and_interruptible_nodes() -> None:
    resources = Resources(requests=ResourceList(gpu=1), accelerator="nvidia-tesla-t4")
    launch = dataclasses.replace(command(), interruptible=True)
    spec = factory().make(launch, task(resources=resources, interruptible=True))["spec"]
    assert spec["nodeSelector"] == {"limosa.dev/accelerator": "nvidia-tesla-t4"}
    assert [t["key"] for t in spec["tolerations"]] == ["nvidia.com/gpu", "limosa.dev/interruptible"]


def test_a_template_is_merged_over_the_pod() -> None:
    template = {
        "spec": {
            "tolerations": [{"key": "mine", "operator": "Exists"}],
            "containers": [
                {"name": "task", "env": [{"name": "A", "value": "b"}]},
                {"name": "side", "image": "x"},
            ],
        }
    }
    pod = factory().make(command(), task(pod_template=json.dumps(template)))
    assert [c["name"] for c in pod["spec"]["containers"]] == ["task", "side"]
    assert environment(pod)["A"] == "b"
    assert environment(pod)["LIMOSA_POD_TASK"] == "house.train"
    assert pod["spec"]["tolerations"] == [{"key": "mine", "operator": "Exists"}]


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ({"spec": {"hostNetwork": True}}, "spec.hostNetwork"),
        ({"spec": {"hostPID": True}}, "spec.hostPID"),
        ({"spec": {"automountServiceAccountToken": True}}, "spec.automountServiceAccountToken"),
        ({"spec": {"serviceAccountName": "admin"}}, "spec.serviceAccountName"),
        ({"spec": {"nodeName": "n1"}}, "spec.nodeName"),
        ({"spec": {"restartPolicy": "Always"}}, "spec.restartPolicy"),
        ({"spec": {"securityContext": {"runAsUser": 0}}}, "spec.securityContext"),
        ({"spec": {"volumes": [{"name": "h", "hostPath": {"path": "/"}}]}}, "spec.volumes[h].hostPath"),
        (
            {"spec": {"volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {}}]}}]}},
            "spec.volumes[t].projected.serviceAccountToken",
        ),
        (
            {"spec": {"volumes": [{"name": "s", "secret": {"secretName": "limosa-storage"}}]}},
            "spec.volumes[s].secret",
        ),
        (
            {"spec": {"containers": [{"name": "task", "securityContext": {"privileged": True}}]}},
            "spec.containers[task].securityContext.privileged",
        ),
        (
            {
                "spec": {
                    "initContainers": [
                        {"name": "i", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}
                    ]
                }
            },
            "spec.initContainers[i].securityContext.capabilities.add",
        ),
        (
            {"spec": {"containers": [{"name": "x", "envFrom": [{"secretRef": {"name": "limosa-storage"}}]}]}},
            "limosa-storage",
        ),
        (
            {
                "spec": {
                    "containers": [{"name": "task", "env": [{"name": "LIMOSA_POD_LAUNCH", "value": "9"}]}]
                }
            },
            "LIMOSA_POD_",
        ),
        (
            {"spec": {"containers": [{"name": "task", "$patch": "delete"}]}},
            "spec.containers must keep 'task'",
        ),
        (
            {"spec": {"containers": [{"name": "task", "ports": [{"containerPort": 1, "hostPort": 1}]}]}},
            "hostPort",
        ),
        ({"metadata": {"annotations": {"limosa.dev/launch-id": "forged"}}}, "metadata.annotations"),
        ({"metadata": {"name": "other"}}, "metadata.name"),
        ({"spec": {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}}, "sysctls"),
        (
            {
                "spec": {
                    "containers": [
                        {"name": "task", "securityContext": {"appArmorProfile": {"type": "Unconfined"}}}
                    ]
                }
            },
            "spec.containers[task].securityContext.appArmorProfile",
        ),
        (
            {"spec": {"volumes": [{"name": "a", "azureFile": {"secretName": "x", "shareName": "y"}}]}},
            "spec.volumes[a].azureFile",
        ),
        ({"spec": {"volumes": [{"name": "f", "flexVolume": {"driver": "x"}}]}}, "spec.volumes[f].flexVolume"),
        (
            {
                "spec": {
                    "volumes": [
                        {"name": "p", "projected": {"sources": [{"secret": {"name": "limosa-storage"}}]}}
                    ]
                }
            },
            "spec.volumes[p].secret",
        ),
        ({"spec": {"securityContext": {"runAsUser": "0"}}}, "spec.securityContext.runAsUser"),
        ({"spec": {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}}, "seLinuxOptions"),
        ({"spec": {"priorityClassName": "system-node-critical"}}, "spec.priorityClassName"),
        (
            {
                "metadata": {
                    "annotations": {"container.apparmor.security.beta.kubernetes.io/task": "unconfined"}
                }
            },
            "metadata.annotations",
        ),
        ({"spec": {"$deleteFromPrimitiveList/x": []}}, "$deleteFromPrimitiveList/x"),
        ({"spec": []}, "shape of a pod"),
        ({"kind": "Pod", "status": {}}, "'metadata' and 'spec'"),
    ],
)
def test_what_a_template_may_not_ask_for(template: dict, field: str) -> None:
    with pytest.raises(PodPolicyError) as refused:
        factory().make(command(), task(pod_template=json.dumps(template)))
    assert field in str(refused.value)
    assert str(refused.value).startswith("task house.train: ")


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ({"spec": {"hostNetwork": True}}, "host-namespaces"),
        ({"spec": {"shareProcessNamespace": True}}, "shared-processes"),
        ({"spec": {"automountServiceAccountToken": True}}, "service-account-token"),
        ({"spec": {"serviceAccountName": "trainer"}}, "service-account:trainer"),
        ({"spec": {"volumes": [{"name": "h", "hostPath": {"path": "/"}}]}}, "host-mounts"),
        ({"spec": {"securityContext": {"runAsUser": 0, "runAsNonRoot": False}}}, "root"),
        (
            {"spec": {"containers": [{"name": "task", "ports": [{"containerPort": 1, "hostPort": 1}]}]}},
            "host-ports",
        ),
        ({"spec": {"containers": [{"name": "task", "securityContext": {"privileged": True}}]}}, "privileged"),
        (
            {
                "spec": {
                    "containers": [
                        {"name": "task", "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}
                    ]
                }
            },
            "capability:SYS_PTRACE",
        ),
        ({"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}, "unconfined"),
    ],
)
def test_what_the_cluster_s_owner_may_allow(template: dict, word: str) -> None:
    asked = task(pod_template=json.dumps(template))
    with pytest.raises(PodPolicyError, match=f"LIMOSA_PODS_MAY={word} on the operator would allow it"):
        factory().make(command(), asked)
    allowing = PodSettings(allowances=parse_allowances([word]))
    factory(allowing).make(command(), asked)
    other = PodSettings(allowances=parse_allowances(["capability:CHOWN", "service-account:other"]))
    with pytest.raises(PodPolicyError):
        factory(other).make(command(), asked)


def test_a_named_template_lies_below_the_platform_s_pod_and_the_task_s_own_over_both() -> None:
    named = {
        "metadata": {"labels": {"team": "red", "cost": "7"}, "creationTimestamp": None},
        "spec": {
            # As the API server fills a PodTemplate.
            "restartPolicy": "Always",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
            "nodeSelector": {"pool": "roomy", "zone": "a"},
            "containers": [
                {"name": "side", "image": "side:1"},
                {"name": "task", "image": "placeholder", "env": [{"name": "A", "value": "named"}]},
            ],
            "initContainers": [{"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    }
    own = {
        "spec": {
            "nodeSelector": {"zone": "b"},
            "containers": [{"name": "task", "env": [{"name": "B", "value": "own"}]}],
        }
    }
    pod = factory().make(command(), task(pod_template=json.dumps(own), environment={"C": "task"}), named)
    spec = pod["spec"]
    assert spec["restartPolicy"] == "Never"
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["nodeSelector"] == {"pool": "roomy", "zone": "b"}
    assert [container["name"] for container in spec["containers"]] == ["task", "side"]
    assert spec["containers"][0]["image"] == "limosa/task:latest"
    assert {"A": "named", "B": "own", "C": "task"}.items() <= environment(pod).items()
    assert {volume["name"] for volume in spec["volumes"]} == {"home", "tmp", "scratch"}
    assert spec["initContainers"][0]["restartPolicy"] == "Always"
    assert (pod["metadata"]["labels"]["team"], pod["metadata"]["labels"]["cost"]) == ("blue", "7")


def test_a_named_template_obeys_the_same_policy() -> None:
    with pytest.raises(PodPolicyError, match=r"PodTemplate 'roomy': spec\.hostPID must not be true"):
        factory().make(command(), task(pod_template_name="roomy"), {"spec": {"hostPID": True}})


def test_containers_of_templates_are_hardened_where_they_do_not_say() -> None:
    template = {
        "spec": {
            "containers": [{"name": "task", "securityContext": None}, {"name": "side", "image": "x"}],
            "initContainers": [
                {"name": "init", "image": "x", "securityContext": {"capabilities": {"drop": []}}}
            ],
        }
    }
    spec = factory().make(command(), task(pod_template=json.dumps(template)))["spec"]
    for container in (*spec["containers"], *spec["initContainers"]):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_an_attempt_after_a_shortage_gets_its_memory_as_request_and_limit() -> None:
    resources = Resources(requests=ResourceList(memory="1Gi"), limits=ResourceList(memory="2Gi", cpu="1"))
    made = factory()
    grown = made.make(dataclasses.replace(command(), memory="4Gi"), task(resources=resources))["spec"]
    assert grown["containers"][0]["resources"]["requests"]["memory"] == "4Gi"
    assert grown["containers"][0]["resources"]["limits"] == {"memory": "4Gi", "cpu": "1"}
    usual = made.make(command(), task(resources=resources))["spec"]
    assert usual["containers"][0]["resources"]["limits"]["memory"] == "2Gi"


def test_a_later_launch_is_told_where_the_one_before_kept_its_checkpoint() -> None:
    made = factory()
    contract = PodEnvironment.from_environ(environment(made.make(command(index=4), task())))
    before = launch_id("u-1", "n0/n3", 4, Epoch(generation=1, number=2), 1)
    prefix = "s3://b/root/demo/development/runs/calm-heron-4f2a.u-1/launches"
    assert contract.previous_checkpoint == f"{prefix}/{before}/checkpoint"
    first = dataclasses.replace(command(), launch=0)
    assert PodEnvironment.from_environ(environment(made.make(first, task()))).previous_checkpoint == ""


def test_secrets_as_files_and_shared_memory() -> None:
    secrets = [
        SecretRef(name="hub", key="api-token", file="/etc/hub/token"),
        SecretRef(name="db", key="pw", env="PW"),
    ]
    pod = factory().make(command(), task(secrets=secrets, shared_memory="1Gi"))
    spec = pod["spec"]
    assert spec["volumes"][2:] == [
        {
            "name": "secret-0",
            "secret": {
                "secretName": "hub",
                "defaultMode": 0o440,
                "items": [{"key": "api-token", "path": "api-token"}],
            },
        },
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
    ]
    assert spec["containers"][0]["volumeMounts"][2:] == [
        {"name": "secret-0", "mountPath": "/etc/hub/token", "subPath": "api-token", "readOnly": True},
        {"name": "shm", "mountPath": "/dev/shm"},
    ]
    assert environment(pod)["API_TOKEN_FILE"] == "/etc/hub/token"
    assert [e["name"] for e in spec["containers"][0]["env"] if "valueFrom" in e] == ["PW"]
    assert referenced_secrets(pod) == {"hub", "db"}


SHAPES = """{
  "accelerators": {"a100": {"nodeSelector": {"gpu.example.org/class": "a100-80g"}, "runtimeClassName": "nvidia"}},
  "gpu": {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
  "interruptible": {"nodeSelector": {"capacity": "spot"}, "tolerations": [{"key": "spot", "operator": "Exists"}]},
  "onDemand": {"nodeSelector": {"capacity": "on-demand"}},
  "priorityClasses": {"10": "high", "0": "usual"}
}"""


@pytest.mark.parametrize(
    ("asked", "interruptible", "expected"),
    [
        ({}, False, {"nodeSelector": {"capacity": "on-demand"}, "priorityClassName": "usual"}),
        (
            {"priority": 12},
            True,
            {
                "nodeSelector": {"capacity": "spot"},
                "tolerations": [{"key": "spot", "operator": "Exists"}],
                "priorityClassName": "high",
            },
        ),
        (
            {"priority": -1, "resources": Resources(requests=ResourceList(gpu=1), accelerator="a100")},
            True,
            {
                "nodeSelector": {"gpu.example.org/class": "a100-80g", "capacity": "spot"},
                "runtimeClassName": "nvidia",
                "tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "spot", "operator": "Exists"}],
            },
        ),
        (
            {"resources": Resources(accelerator="t4")},
            False,
            {
                "nodeSelector": {"limosa.dev/accelerator": "t4", "capacity": "on-demand"},
                "priorityClassName": "usual",
            },
        ),
    ],
)
def test_shapes_say_what_classes_and_capacity_mean(asked: dict, interruptible: bool, expected: dict) -> None:
    made = factory(PodSettings(shapes=parse_shapes(SHAPES)))
    spec = made.make(dataclasses.replace(command(), interruptible=interruptible), task(**asked))["spec"]
    fields = ("nodeSelector", "tolerations", "priorityClassName", "runtimeClassName")
    assert {field: spec[field] for field in fields if field in spec} == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "neither JSON"),
        ("[]", "the keys are accelerators"),
        ('{"spot": {}}', "spot: the keys are"),
        ('{"gpu": 3}', "gpu is 3"),
        ('{"accelerators": {"a": "b"}}', "accelerators.a is 'b'"),
        ('{"priorityClasses": {"high": "x"}}', "priorityClasses: write"),
        ("/no/such/file", "readable file"),
    ],
)
def test_shapes_that_make_no_sense(text: str, told: str) -> None:
    with pytest.raises(ShapesError, match=told):
        parse_shapes(text)


def test_images_are_pulled_with_the_operator_s_secrets() -> None:
    spec = factory(PodSettings(pull_secrets=("registry",))).make(command(), task())["spec"]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]


def test_a_dynamic_task_is_told_its_code_and_its_image() -> None:
    code = PythonTask(loader="house:fan", bundle_digest="ab" * 32, python_version="3.11")
    spec = TaskSpec(name="house.fan", dynamic=code, container_image="team/base:2")
    pod = factory().make(command(), spec)
    told = PodEnvironment.from_environ(environment(pod))
    assert (told.loader, told.bundle, told.python_version) == ("house:fan", "ab" * 32, "3.11")
    assert told.image == "team/base:2"
    assert pod["spec"]["containers"][0]["workingDir"] == "/home/limosa"
