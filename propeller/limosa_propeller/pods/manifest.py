"""A launch as a pod manifest."""

import base64
import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from limosa_engine.commands import CreatePod
from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, RunSpec
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, SecretRef, TaskSpec
from limosa_model import layout, names
from limosa_model.digests import serialize
from limosa_model.pod_contract import (
    CONTAINER_NAME,
    INLINE_INPUTS_LIMIT,
    POD_COMMAND,
    TERMINATION_PATH,
    PodEnvironment,
)
from limosa_model.raw_containers import COLLECT, PREPARE, input_directory, output_directory
from limosa_model.targets import python_part
from limosa_propeller.pods.packages import packages_directory, packages_mounts, with_packages_volume
from limosa_propeller.pods.policy import annotation_violations, harden, violations
from limosa_propeller.pods.raw import raw_pod
from limosa_propeller.pods.resources import container_resources, node_patches
from limosa_propeller.pods.shapes import shaped
from limosa_propeller.pods.strategic_merge import DirectiveError, strategic_merge
from limosa_propeller.pods.volumes import mounts_of, secret_paths, volumes_of
from limosa_propeller.settings import PodSettings
from limosa_store.uris import uri_of

HOME_DIR = "/home/limosa"
TMP_DIR = "/tmp"


_NOWHERE = Item("-")
"""No node's path."""


@dataclasses.dataclass(frozen=True)
class _Fixed:
    """What all launches of a task have in common in a run; nobody changes it."""

    task: TaskSpec
    """Held, so that its identity stays its own."""
    spec: dict[str, Any]
    """Of the pod, without containers."""
    container: dict[str, Any]
    """Without environment."""
    labels: dict[str, str]
    annotations: dict[str, str]


class PodPolicyError(Exception):
    """A task asks for a pod it may not have; the message names each field."""


@dataclasses.dataclass(frozen=True)
class Eager:
    """What a launch of an eager node is told beyond others."""

    token: str
    """Shows admin which launch it is."""
    depth: int
    """Eager and dynamic nodes around it, itself included."""


class PodFactory:
    """Makes the pods of one run: what is the same for all of them is computed once."""

    def __init__(
        self,
        spec: RunSpec,
        epoch: Epoch,
        namespace: str,
        owner_uid: str,
        storage_root: str,
        settings: PodSettings,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Prepares; `labels` are the operator's own, such as the run's shard."""
        self._spec = spec
        self._labels = labels or {}
        self._epoch = names.format_epoch(epoch)
        self._namespace = namespace
        self._root = storage_root
        self._settings = settings
        self._owner = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": spec.name,
            "uid": owner_uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
        self._user = settings.run_as_user
        self._fixed: dict[tuple[int, bool], _Fixed] = {}
        """By the identity of the task and whether interruptible."""
        self.prefix = layout.run_prefix(spec.project, spec.domain, spec.name, spec.run_uid)
        """Where in the store the run's objects lie, relative to the root."""

    def name(self, command: CreatePod) -> str:
        """Name of the launch's pod."""
        return names.pod_name(self._spec.name, command.launch_id)

    def travels_inline(self, command: CreatePod, task: TaskSpec) -> bool:
        """Whether the inputs go into the pod's environment; else they are stored at `inputs_key` first."""
        if command.inputs.ByteSize() > INLINE_INPUTS_LIMIT:
            return False
        return not any(v.sensitive and v.name in command.inputs.literals for v in task.interface.inputs)

    def inputs_key(self, command: CreatePod) -> str:
        """Where inputs that do not travel in the pod lie."""
        return layout.inputs_key(self.prefix, command.launch_id)

    def make(
        self,
        command: CreatePod,
        task: TaskSpec,
        named: Mapping[str, Any] | None = None,
        eager: Eager | None = None,
    ) -> dict[str, Any]:
        """The manifest.

        Args:
            command: The launch.
            task: Its task, overrides applied.
            named: What the PodTemplate that the task names gives: metadata and spec of a pod.
            eager: For an eager node's launch.

        Raises:
            PodPolicyError: The task asks for what it may not have.
        """
        pod: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": self._metadata(command, task),
            "spec": self._pod_spec(command, task, eager),
        }
        if eager is not None:
            pod["metadata"]["annotations"][names.ANNOTATION_EAGER_DEPTH] = str(eager.depth)
        if not task.pod_template and named is None:
            return pod
        return self._with_templates(pod, task, named)

    def try_out(self, task: TaskSpec, named: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The manifest of a launch that will not be: to learn whether the task may have its pod. As `make` otherwise."""
        command = CreatePod(_NOWHERE, 0, "", task.name, LiteralMap(), "", None)
        try:
            return self.make(command, task, named)
        finally:
            self._fixed.pop((id(task), command.interruptible), None)

    def _with_templates(
        self, pod: dict[str, Any], task: TaskSpec, named: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """The named template below the platform's pod, the task's own over both; then all of it is judged."""
        told = " and ".join(
            [f"PodTemplate '{task.pod_template_name}'"] * (named is not None)
            + ["pod_template"] * bool(task.pod_template)
        )
        try:
            merged: dict[str, Any] = pod if named is None else _over(named, pod)
            patch = _patch(task)
            merged = strategic_merge(merged, patch)
            found = violations(pod, merged, self._settings.allowances)
            found += _contradictions(task, (named or {}, patch))
            harden(pod, merged)
        except DirectiveError as error:
            raise PodPolicyError(f"task {task.name}: {told}: {error}") from error
        except (AttributeError, KeyError, TypeError) as error:
            raise PodPolicyError(f"task {task.name}: {told} lacks the shape of a pod: {error}") from error
        if found:
            raise PodPolicyError(f"task {task.name}: {told}: " + "; ".join(found))
        return merged

    def _metadata(self, command: CreatePod, task: TaskSpec) -> dict[str, Any]:
        item = command.item
        fixed = self._fixed_of(task, command.interruptible)
        annotations = {
            **fixed.annotations,
            names.ANNOTATION_NODE_PATH: item.node_path,
            names.ANNOTATION_LAUNCH: str(command.launch),
            names.ANNOTATION_LAUNCH_ID: command.launch_id,
            names.ANNOTATION_INPUT_DIGEST: command.input_digest,
        }
        if item.index is not None:
            annotations[names.ANNOTATION_INDEX] = str(item.index)
        return {
            "name": self.name(command),
            "namespace": self._namespace,
            "labels": {
                **fixed.labels,
                names.LABEL_NODE: names.label_value(item.node_path),
                names.LABEL_LAUNCH: command.launch_id,
            },
            "annotations": annotations,
            "ownerReferences": [self._owner],
        }

    def _pod_spec(self, command: CreatePod, task: TaskSpec, eager: Eager | None = None) -> dict[str, Any]:
        fixed = self._fixed_of(task, command.interruptible)
        spec = dict(fixed.spec)
        container = {**fixed.container, "env": self._environment(command, task, eager)}
        if command.memory:
            container["resources"] = container_resources(task, self._settings, command.memory)
        if task.WhichOneof("target") == "container":
            spec = raw_pod(
                spec,
                self._steps(command, task),
                {**container, "env": self._own_environment(task)},
                command,
                task,
            )
        else:
            spec["containers"] = [container]
        if command.timeout is not None:
            spec["activeDeadlineSeconds"] = max(1, math.ceil(command.timeout))
        return spec

    def _fixed_of(self, task: TaskSpec, interruptible: bool) -> "_Fixed":
        key = id(task), interruptible
        found = self._fixed.get(key)
        if found is None:
            spec = self._spec
            refused = annotation_violations(
                {**spec.annotations, **task.annotations}, self._settings.allowances
            )
            if refused:
                raise PodPolicyError(f"task {task.name}: " + "; ".join(refused))
            found = self._fixed[key] = _Fixed(
                task,
                self._fixed_part(task, interruptible),
                self._fixed_container(task),
                {
                    **_not_ours(spec.labels),
                    **_not_ours(task.labels),
                    names.LABEL_RUN: spec.name,
                    names.LABEL_PROJECT: spec.project,
                    names.LABEL_DOMAIN: spec.domain,
                    **self._labels,
                },
                {
                    **spec.annotations,
                    **_not_ours(task.annotations),
                    names.ANNOTATION_RUN_UID: spec.run_uid,
                    names.ANNOTATION_EPOCH: self._epoch,
                },
            )
        return found

    def _fixed_part(self, task: TaskSpec, interruptible: bool) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "restartPolicy": "Never",
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": self._user,
                "runAsGroup": self._user,
                "fsGroup": self._user,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [
                {"name": "home", "emptyDir": {}},
                {"name": "tmp", "emptyDir": {}},
                *volumes_of(task),
            ],
        }
        if self._settings.service_account:
            spec["serviceAccountName"] = self._settings.service_account
        if self._settings.pull_secrets:
            spec["imagePullSecrets"] = [{"name": name} for name in self._settings.pull_secrets]
        spec = with_packages_volume(spec, task, self._settings.packages_volume)
        return shaped(spec, node_patches(task, self._settings, interruptible))

    def _fixed_container(self, task: TaskSpec) -> dict[str, Any]:
        code = python_part(task) or PythonTask()
        return {
            "name": CONTAINER_NAME,
            "image": task.container_image or self._settings.task_image,
            "imagePullPolicy": self._settings.image_pull_policy,
            "command": list(POD_COMMAND),
            # The author's relative paths are to be writable; the code itself is found through the bundle.
            **({"workingDir": HOME_DIR} if code.bundle_digest else {}),
            "envFrom": [{"secretRef": {"name": names.STORAGE_SECRET, "optional": True}}],
            "resources": container_resources(task, self._settings),
            "volumeMounts": [
                {"name": "home", "mountPath": HOME_DIR},
                {"name": "tmp", "mountPath": TMP_DIR},
                *mounts_of(task),
                *packages_mounts(task, self._settings.packages_volume),
            ],
            "terminationMessagePath": TERMINATION_PATH,
            "terminationMessagePolicy": "File",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }

    def _steps(self, command: CreatePod, task: TaskSpec) -> dict[str, dict[str, Any]]:
        """Our two containers around a raw one: nothing of the author's is in them."""
        bare = self._fixed_container(TaskSpec(name=task.name))
        spec = TaskSpec(name=task.name, interface=task.interface)
        contract = self._contract(command, task)._replace(
            container=base64.b64encode(serialize(spec)).decode(),
            input_directory=input_directory(task.container),
            output_directory=output_directory(task.container),
        )
        steps = {step: contract._replace(step=step).to_environ() for step in (PREPARE, COLLECT)}
        base = {"HOME": HOME_DIR, "TMPDIR": TMP_DIR}
        return {step: {**bare, "env": _variables({**base, **env}, {})} for step, env in steps.items()}

    def _environment(
        self, command: CreatePod, task: TaskSpec, eager: Eager | None = None
    ) -> list[dict[str, Any]]:
        contract = self._contract(command, task)
        if eager is not None:
            contract = contract._replace(
                admin_endpoint=self._settings.admin_endpoint,
                admin_ca=self._settings.admin_ca,
                attempt_token=eager.token,
            )
        # The platform's variables come last and win: an author's cannot change the contract.
        return self._own_environment(task, contract.to_environ())

    def _own_environment(
        self, task: TaskSpec, contract: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        secrets = {ref.env or ref.key: ref for ref in task.secrets if not ref.file}
        plain = {
            "HOME": HOME_DIR,
            "TMPDIR": TMP_DIR,
            **secret_paths(task),
            **task.environment,
            **(contract or {}),
        }
        return _variables(plain, secrets)

    def _contract(self, command: CreatePod, task: TaskSpec) -> PodEnvironment:
        inline = self.travels_inline(command, task)
        code = python_part(task) or PythonTask()
        return PodEnvironment(
            run_uid=self._spec.run_uid,
            run_name=self._spec.name,
            project=self._spec.project,
            domain=self._spec.domain,
            node_path=command.item.node_path,
            index=command.item.index,
            launch=command.launch,
            launch_id=command.launch_id,
            epoch=self._epoch,
            task=task.name,
            loader=code.loader,
            bundle=code.bundle_digest,
            python_version=code.python_version,
            storage_root=self._root,
            input_digest=command.input_digest,
            image=task.container_image,
            inputs=command.inputs if inline else None,
            inputs_uri="" if inline else uri_of(self._root, self.inputs_key(command)),
            previous_checkpoint=self._previous_checkpoint(command),
            packages=code.packages,
            packages_directory=packages_directory(task, self._settings.packages_volume),
            package_locks=_json(code.package_locks),
        )

    def _previous_checkpoint(self, command: CreatePod) -> str:
        if not command.launch:
            return ""
        item = command.item
        before = names.launch_id(
            self._spec.run_uid, item.node_path, item.index, names.parse_epoch(self._epoch), command.launch - 1
        )
        return uri_of(self._root, layout.checkpoint_prefix(self.prefix, before))


def _variables(plain: Mapping[str, str], secrets: Mapping[str, SecretRef]) -> list[dict[str, Any]]:
    env: list[dict[str, Any]] = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": ref.name, "key": ref.key}}}
        for name, ref in secrets.items()
        if name not in plain
    ]
    # Kubernetes expands $(NAME) in values; inputs and authors' text are meant literally.
    env.extend({"name": name, "value": value.replace("$(", "$$(")} for name, value in plain.items())
    return env


def _json(locks: Mapping[str, str]) -> str:
    return json.dumps(dict(locks), sort_keys=True) if locks else ""


def _patch(task: TaskSpec) -> dict[str, Any]:
    if not task.pod_template:
        return {}
    try:
        template = json.loads(task.pod_template)
    except ValueError as error:
        raise PodPolicyError(f"task {task.name}: pod_template is not JSON: {error}") from error
    if not isinstance(template, dict) or not set(template) <= {"apiVersion", "kind", "metadata", "spec"}:
        raise PodPolicyError(f"task {task.name}: pod_template must be an object with 'metadata' and 'spec'")
    return template


def _contradictions(task: TaskSpec, templates: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What templates say against the task's own policy of attempts."""
    if not task.retry.HasField("memory"):
        return
    for template in templates:
        for container in (template.get("spec") or {}).get("containers") or ():
            resources = container.get("resources") or {} if container.get("name") == CONTAINER_NAME else {}
            for part in ("requests", "limits"):
                if "memory" in (resources.get(part) or {}):
                    yield (
                        f"spec.containers[{CONTAINER_NAME}].resources.{part}.memory is set while Retry(memory=…) lets it "
                        "grow: write mem= of the task instead"
                    )


def _over(named: Mapping[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    """The platform's pod over a PodTemplate: the API server fills templates with defaults, which must not win."""
    metadata = named.get("metadata") or {}
    base = {
        "metadata": {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)},
        "spec": named.get("spec") or {},
    }
    merged: dict[str, Any] = strategic_merge(base, pod)
    # Whoever looks at the first container means the task's.
    merged["spec"]["containers"].sort(key=lambda container: container.get("name") != CONTAINER_NAME)
    return merged


def _not_ours(given: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in given.items() if not key.startswith(f"{names.GROUP}/")}
