"""Secrets for tasks, in the namespace of a project-domain, through the person's own access to its cluster."""

import base64
import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError
from limosa.render.remedies import store_command
from limosa_model.names import SECRET_WAIT_S, STORAGE_SECRET, TASK_SECRET_LABEL, namespace_of

if TYPE_CHECKING:
    from limosa.config import Settings
    from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec

_MANAGED = {TASK_SECRET_LABEL: "true", "app.kubernetes.io/managed-by": "limosa"}
_ANSWER_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Access:
    """How a cluster is reached."""

    kubeconfig: str
    """Path; empty: as kubectl finds it."""
    context: str
    """Of that file; empty: its current one."""
    namespace: str
    sure: bool
    """It is known to be the platform's cluster: the sandbox's own, or named in the settings."""


class ClusterSecrets:
    """The Secrets of one namespace that are for tasks. Values go in and never come out."""

    def __init__(self, access: Access) -> None:
        """Opens the cluster. Raises LimosaError when there is no way to it."""
        self.namespace = access.namespace
        self._is_demo = bool(access.kubeconfig)
        self._api, self._errors = _open(access)

    def set(self, name: str, values: Mapping[str, bytes]) -> bool:
        """Adds keys to a Secret, replacing those it has; True when it was made. Raises LimosaError."""
        if name == STORAGE_SECRET:
            raise LimosaError("SecretName", f"'{name}' is the platform's", remedy="choose another name")
        data = {key: base64.b64encode(value).decode() for key, value in values.items()}
        body = {"metadata": {"name": name, "labels": _MANAGED}, "type": "Opaque", "data": data}
        found = self._labels(name)
        if found is None:
            self._call("create_namespaced_secret", self.namespace, body)
            return True
        self._check_ours(name, found)
        self._call("patch_namespaced_secret", name, self.namespace, {"data": data})
        return False

    def entries(self) -> list[dict[str, Any]]:
        """Names, keys and times of creation."""
        found = self._call(
            "list_namespaced_secret", self.namespace, label_selector=f"{TASK_SECRET_LABEL}=true"
        )
        return [
            {
                "name": secret.metadata.name,
                "keys": sorted(secret.data or {}),
                "created": secret.metadata.creation_timestamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for secret in sorted(found.items, key=lambda secret: str(secret.metadata.name))
        ]

    def delete(self, name: str) -> None:
        """Removes a Secret. Raises LimosaError where it is none, or not for tasks."""
        found = self._labels(name)
        if found is None:
            raise LimosaError(
                "SecretMissing",
                f"there is no secret '{name}' in {self.namespace}",
                remedy="limosa secrets list",
            )
        self._check_ours(name, found)
        self._call("delete_namespaced_secret", name, self.namespace)

    def missing(self, wanted: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
        """Of pairs (secret, key) those that tasks could not read, each with what is missing."""
        have = {secret["name"]: set(secret["keys"]) for secret in self.entries()}
        return [
            (name, key, f"secret '{name}'" if name not in have else f"key '{key}' of secret '{name}'")
            for name, key in sorted(set(wanted))
            if key not in have.get(name, ())
        ]

    def _labels(self, name: str) -> dict[str, str] | None:
        try:
            found = self._api.read_namespaced_secret(name, self.namespace, _request_timeout=_ANSWER_SECONDS)
        except self._errors as error:
            if getattr(error, "status", None) == 404:
                return None
            raise self._refused(error) from error
        return dict(found.metadata.labels or {})

    def _check_ours(self, name: str, labels: Mapping[str, str]) -> None:
        if labels.get(TASK_SECRET_LABEL) != "true":
            raise LimosaError(
                "SecretNotForTasks",
                f"Secret '{name}' of namespace {self.namespace} is not for tasks; limosa leaves it alone",
                remedy=f"choose another name, or: kubectl -n {self.namespace} label secret {name} {TASK_SECRET_LABEL}=true",
            )

    def _call(self, verb: str, *arguments: Any, **options: Any) -> Any:
        try:
            return getattr(self._api, verb)(*arguments, _request_timeout=_ANSWER_SECONDS, **options)
        except self._errors as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> LimosaError:
        status, reason = getattr(error, "status", None), getattr(error, "reason", "") or str(error)
        if status == 403:
            remedy = f"ask for a role with get, list, create, patch and delete on secrets in {self.namespace}"
            return LimosaError(
                "SecretsForbidden", "the cluster does not let you see to secrets", self.namespace, remedy
            )
        if status == 404:
            remedy = "check --project and --domain; the namespace is made by whoever runs the cluster"
            return LimosaError("NamespaceMissing", f"there is no namespace {self.namespace}", remedy=remedy)
        if status is None:
            remedy = (
                "start the platform with `limosa demo start`"
                if self._is_demo
                else "check it: kubectl cluster-info"
            )
            return LimosaError("Unreachable", "the cluster does not answer", self.namespace, remedy)
        message = f"the cluster refuses: {reason}"
        return LimosaError(
            "SecretsRefused", message, self.namespace, "check the name and the cluster: kubectl get secrets"
        )


def access_of(settings: "Settings") -> Access:
    """How the cluster behind a context is reached: the sandbox's own file, else the person's kubeconfig."""
    from limosa.cli.platform import Platform

    namespace = namespace_of(settings["project"], settings["domain"])
    state = Platform(settings.home).state()
    local = state.get("admin_endpoint", "")
    if local and settings["endpoint"].removeprefix("http://").rstrip("/") == local:
        return Access(state["kubeconfig"], "", namespace, sure=True)
    context = settings["kube_context"]
    return Access("", context, namespace, sure=bool(context))


def missing_secrets(settings: "Settings", tasks: Iterable["TaskSpec"]) -> list[str]:
    """What to tell about secrets that tasks ask for and their namespace lacks; empty where nobody can say."""
    wanted = [(secret.name, secret.key) for task in tasks for secret in task.secrets]
    if not wanted:
        return []
    access = access_of(settings)
    if not access.sure:
        return []
    try:
        missing = ClusterSecrets(access).missing(wanted)
    except LimosaError:
        # Whether they exist is a courtesy: the run itself says it where this person may not look.
        return []
    return [
        f"{what} is missing in {access.namespace}; tasks wait {SECRET_WAIT_S:g} s for it, then they fail: "
        + store_command(name, key, settings["project"], settings["domain"])
        for name, key, what in missing
    ]


def _open(access: Access) -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        import kubernetes
        import urllib3
    except ImportError as error:
        remedy = "pip install kubernetes"
        raise LimosaError(
            "NoKubernetes", "secrets need the Python package kubernetes", remedy=remedy
        ) from error
    path = access.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        client = kubernetes.config.new_client_from_config(  # type: ignore[no-untyped-call]
            config_file=os.pathsep.join(str(Path(part).expanduser()) for part in path.split(os.pathsep)),
            context=access.context or None,
            persist_config=False,
        )
    except (kubernetes.config.ConfigException, OSError) as error:
        remedy = (
            "set KUBECONFIG, or name the cluster's context: limosa config add CONTEXT --kube-context NAME"
        )
        raise LimosaError("NoCluster", f"there is no way to the cluster: {error}", remedy=remedy) from error
    client.configuration.retries = False
    errors = (kubernetes.client.ApiException, urllib3.exceptions.HTTPError)
    return kubernetes.client.CoreV1Api(client), errors
