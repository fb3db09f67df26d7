"""What a pod may not ask for, however its templates put it. Looks at the pod after everything was merged."""

from collections.abc import Iterator, Mapping
from typing import Any

from limosa_model.names import GROUP, STORAGE_SECRET
from limosa_model.pod_contract import CONTAINER_NAME, is_contract_variable
from limosa_model.raw_containers import OWN_PREFIX
from limosa_propeller.pods.allowances import CAPABILITY, SERVICE_ACCOUNT, Allowances

_TRUE = {
    "hostNetwork": "host-namespaces",
    "hostPID": "host-namespaces",
    "hostIPC": "host-namespaces",
    "automountServiceAccountToken": "service-account-token",
    "shareProcessNamespace": "shared-processes",
}
"""Fields of a pod's spec that must not be true, by the allowance that lifts this."""
_FIXED = ("restartPolicy", "nodeName", "activeDeadlineSeconds", "enableServiceLinks")
_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
"""Kinds of volumes that Kubernetes' restricted profile knows; others read hosts, or credentials of their own."""
_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_HIGHEST_PRIORITY = 1_000_000_000
"""Of what a cluster's users may define."""
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_CONTAINER_LISTS = ("initContainers", "containers")
_OWN_CONTAINER = ("terminationMessagePath", "terminationMessagePolicy")
"""Fields of the task's container that carry the pod contract."""


def violations(made: dict[str, Any], pod: dict[str, Any], allowed: Allowances) -> list[str]:
    """What the merged pod asks for and may not have, each naming its field and remedy; empty when it is fine.

    Args:
        made: The pod as the operator made it.
        pod: The same after its templates were merged.
        allowed: What the cluster's owner lets pods ask for.
    """
    rules = _Rules(allowed)
    annotations = rules.annotations(pod["metadata"].get("annotations") or {})
    return [*_metadata(made, pod), *annotations, *rules.spec(made["spec"], pod["spec"])]


def annotation_violations(annotations: Mapping[str, str], allowed: Allowances) -> list[str]:
    """Which of a task's or a run's annotations its pods may not have; as `violations`."""
    return list(_Rules(allowed).annotations(annotations))


def harden(made: dict[str, Any], pod: dict[str, Any]) -> None:
    """Puts back what a template removed and fills in what it left out: nothing is got by a null.

    Args:
        made: The pod as the operator made it.
        pod: The same after its templates were merged; changed.
    """
    spec = pod["spec"]
    spec["securityContext"] = {**made["spec"]["securityContext"], **(spec.get("securityContext") or {})}
    for field in ("automountServiceAccountToken", "serviceAccountName"):
        if field in made["spec"] and spec.get(field) is None:
            spec[field] = made["spec"][field]
    ours = {c["name"]: c for section in _CONTAINER_LISTS for c in made["spec"].get(section) or ()}
    for section in _CONTAINER_LISTS:
        for container in pod["spec"].get(section) or ():
            known = ours.get(container.get("name"), {})
            if container.get("resources") is None and "resources" in known:
                container["resources"] = known["resources"]
            given = container.get("securityContext")
            context = container["securityContext"] = dict(
                known.get("securityContext") or {} if given is None else given
            )
            context.setdefault("allowPrivilegeEscalation", bool(context.get("privileged")))
            if not context.get("privileged"):
                # Kubernetes grants a set of its own unless all are dropped.
                capabilities = context["capabilities"] = dict(context.get("capabilities") or {})
                capabilities["drop"] = ["ALL"]


def referenced_secrets(pod: dict[str, Any]) -> set[str]:
    """Names of all Secrets the pod would read, the storage credentials of the task's own container left out."""
    found: set[str] = set()
    for path, value in _walk(pod["spec"], "spec"):
        key = path.rsplit(".", 1)[-1]
        if key in ("secretKeyRef", "secretRef", "nodePublishSecretRef"):
            found.add(value.get("name", ""))
        elif key == "secret" or (key.endswith("]") and "secretName" in value):
            found.add(value.get("secretName") or value.get("name") or "")
    return found - {STORAGE_SECRET, ""}


def _metadata(made: dict[str, Any], pod: dict[str, Any]) -> Iterator[str]:
    for field in ("name", "namespace", "ownerReferences", "finalizers", "generateName"):
        if made["metadata"].get(field) != pod["metadata"].get(field):
            yield f"metadata.{field} is the platform's"
    for section in ("labels", "annotations"):
        ours = {k: v for k, v in made["metadata"][section].items() if k.startswith(f"{GROUP}/")}
        theirs = {k: v for k, v in (pod["metadata"].get(section) or {}).items() if k.startswith(f"{GROUP}/")}
        if ours != theirs:
            yield f"metadata.{section}: names below {GROUP}/ are the platform's"


class _Rules:
    """The rules, less what is allowed."""

    def __init__(self, allowed: Allowances) -> None:
        self._allowed = allowed

    def _unless(self, word: str, told: str) -> Iterator[str]:
        remedy = self._allowed.remedy(word)
        if remedy:
            yield f"{told} ({remedy})"

    def annotations(self, annotations: Mapping[str, str]) -> Iterator[str]:
        for key, profile in annotations.items():
            if key.startswith(_APPARMOR) and profile not in ("", "runtime/default"):
                told = f"metadata.annotations: {key} must be runtime/default"
                yield from self._unless("unconfined", told)

    def spec(self, made: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
        for field, word in _TRUE.items():
            if spec.get(field):
                yield from self._unless(word, f"spec.{field} must not be true")
        for field in _FIXED:
            if spec.get(field) != made.get(field):
                yield f"spec.{field} is the platform's"
        for field in ("serviceAccountName", "serviceAccount"):
            account = spec.get(field)
            if account and account != made.get("serviceAccountName"):
                yield from self._unless(
                    SERVICE_ACCOUNT + account, f"spec.{field}: '{account}' is not for tasks"
                )
        if spec.get("ephemeralContainers"):
            yield "spec.ephemeralContainers must be empty"
        system = str(spec.get("priorityClassName") or "").startswith("system-")
        if system or (spec.get("priority") or 0) > _HIGHEST_PRIORITY:
            told = "spec.priorityClassName: priorities of the system are not for tasks"
            yield from self._unless("system-priority", told)
        yield from self._security(spec.get("securityContext") or {}, "spec.securityContext")
        if (spec.get("securityContext") or {}).get("sysctls"):
            yield from self._unless("unconfined", "spec.securityContext.sysctls must be empty")
        for volume in spec.get("volumes") or ():
            if volume in made.get("volumes", ()):
                continue  # the platform's own, as the cluster's owner has it
            yield from self._volume(volume, f"spec.volumes[{volume.get('name')}]")
        own = {c["name"] for c in (*made["containers"], *made.get("initContainers", ())) if c.get("envFrom")}
        made_names = {c["name"] for c in (*made["containers"], *made.get("initContainers", ()))}
        for section in _CONTAINER_LISTS:
            for container in spec.get(section) or ():
                name = str(container.get("name"))
                if name.startswith(OWN_PREFIX) and name not in made_names:
                    yield f"spec.{section}[{name}]: names that begin with {OWN_PREFIX} are the platform's"
                told = f"spec.{section}[{container.get('name')}]"
                yield from self._container(container, told, container.get("name") in own)
        yield from _task_container(made, spec)

    def _volume(self, volume: dict[str, Any], place: str) -> Iterator[str]:
        if "hostPath" in volume:
            yield from self._unless("host-mounts", f"{place}.hostPath is not allowed")
        for kind in sorted(volume.keys() - _VOLUMES - {"name", "hostPath"}):
            yield from self._unless("other-volumes", f"{place}.{kind} is not allowed")
        sources = (volume.get("projected") or {}).get("sources") or ()
        if any("serviceAccountToken" in source for source in sources):
            told = f"{place}.projected.serviceAccountToken is not allowed"
            yield from self._unless("service-account-token", told)
        secrets = [(volume.get("secret") or {}).get("secretName")]
        secrets += [(source.get("secret") or {}).get("name") for source in sources]
        if STORAGE_SECRET in secrets:
            yield f"{place}.secret: {STORAGE_SECRET} is the platform's"

    def _container(self, container: dict[str, Any], place: str, own: bool) -> Iterator[str]:
        yield from self._security(container.get("securityContext") or {}, f"{place}.securityContext")
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield from self._unless("host-ports", f"{place}.ports: hostPort is not allowed")
        if not own:
            for path, value in _walk(container, place):
                if path.endswith(("secretRef", "secretKeyRef")) and value.get("name") == STORAGE_SECRET:
                    yield f"{path}: {STORAGE_SECRET} is the platform's"

    def _security(self, context: dict[str, Any], place: str) -> Iterator[str]:
        for field in ("privileged", "allowPrivilegeEscalation"):
            if context.get(field):
                yield from self._unless("privileged", f"{place}.{field} must not be true")
        if (context.get("windowsOptions") or {}).get("hostProcess"):
            yield from self._unless("privileged", f"{place}.windowsOptions.hostProcess must not be true")
        for name in (context.get("capabilities") or {}).get("add") or ():
            yield from self._unless(CAPABILITY + name, f"{place}.capabilities.add: {name} is not allowed")
        user = context.get("runAsUser")
        if user is not None and not isinstance(user, int):
            yield f"{place}.runAsUser must be a number"
        if user == 0 or context.get("runAsNonRoot") is False:
            yield from self._unless("root", f"{place}: running as root is not allowed")
        for field in ("seccompProfile", "appArmorProfile"):
            if (context.get(field) or {}).get("type") == "Unconfined":
                yield from self._unless("unconfined", f"{place}.{field} must not be Unconfined")
        selinux = context.get("seLinuxOptions") or {}
        if selinux.get("user") or selinux.get("role") or selinux.get("type", "") not in _SELINUX_TYPES:
            yield from self._unless("unconfined", f"{place}.seLinuxOptions may only be a container's")
        if context.get("procMount") not in (None, "Default"):
            yield from self._unless("unconfined", f"{place}.procMount must be Default")


def _task_container(made: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    container = next((c for c in spec.get("containers") or () if c.get("name") == CONTAINER_NAME), None)
    if container is None:
        yield f"spec.containers must keep '{CONTAINER_NAME}'"
        return
    ours = next(c for c in made["containers"] if c["name"] == CONTAINER_NAME)
    if _contracts(made) != _contracts(spec):
        yield f"spec.containers[{CONTAINER_NAME}].env: LIMOSA_POD_* is the platform's"
    for field in _OWN_CONTAINER:
        if ours.get(field) != container.get(field):
            yield f"spec.containers[{CONTAINER_NAME}].{field} is the platform's"


def _contracts(spec: dict[str, Any]) -> dict[str, list[Any]]:
    """The contract's variables by container."""
    containers = (*(spec.get("initContainers") or ()), *spec["containers"])
    found = {
        str(container.get("name")): [
            entry for entry in container.get("env") or () if is_contract_variable(entry.get("name", ""))
        ]
        for container in containers
    }
    return {name: entries for name, entries in found.items() if entries}


def _walk(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for key, entry in value.items():
            yield from _walk(entry, f"{path}.{key}")
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _walk(entry, f"{path}[{number}]")
