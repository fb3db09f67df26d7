"""What a pod may not ask for, however its template puts it."""

from collections.abc import Iterator
from typing import Any

from limosa_model.names import GROUP, STORAGE_SECRET
from limosa_model.pod_contract import CONTAINER_NAME, is_contract_variable

_FORBIDDEN_TRUE = (
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "automountServiceAccountToken",
    "shareProcessNamespace",
)
_FIXED = (
    "restartPolicy",
    "serviceAccountName",
    "serviceAccount",
    "nodeName",
    "activeDeadlineSeconds",
    "enableServiceLinks",
)
_CONTAINER_LISTS = ("initContainers", "containers")


def violations(made: dict[str, Any], pod: dict[str, Any]) -> list[str]:
    """What the patched pod asks for and may not have, each naming its field; empty when it is fine.

    Args:
        made: The pod as the operator made it.
        pod: The same after its template was merged.
    """
    return list(_metadata(made, pod)) + list(_spec(made["spec"], pod["spec"]))


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


def _spec(made: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    for field in _FORBIDDEN_TRUE:
        if spec.get(field):
            yield f"spec.{field} must not be true"
    for field in _FIXED:
        if spec.get(field) != made.get(field):
            yield f"spec.{field} is the platform's"
    if spec.get("ephemeralContainers"):
        yield "spec.ephemeralContainers must be empty"
    yield from _security(spec.get("securityContext") or {}, "spec.securityContext")
    for volume in spec.get("volumes") or ():
        name = volume.get("name")
        if "hostPath" in volume:
            yield f"spec.volumes[{name}].hostPath is not allowed"
        if any(
            "serviceAccountToken" in source for source in (volume.get("projected") or {}).get("sources") or ()
        ):
            yield f"spec.volumes[{name}].projected.serviceAccountToken is not allowed"
        if (volume.get("secret") or {}).get("secretName") == STORAGE_SECRET:
            yield f"spec.volumes[{name}].secret: {STORAGE_SECRET} is the platform's"
    for section in _CONTAINER_LISTS:
        for container in spec.get(section) or ():
            yield from _container(container, f"spec.{section}[{container.get('name')}]")
    yield from _task_container(made, spec)


def _container(container: dict[str, Any], place: str) -> Iterator[str]:
    yield from _security(container.get("securityContext") or {}, f"{place}.securityContext")
    for port in container.get("ports") or ():
        if port.get("hostPort"):
            yield f"{place}.ports: hostPort is not allowed"
    if container.get("name") != CONTAINER_NAME:
        for path, value in _walk(container, place):
            if path.endswith(("secretRef", "secretKeyRef")) and value.get("name") == STORAGE_SECRET:
                yield f"{path}: {STORAGE_SECRET} is the platform's"


def _security(context: dict[str, Any], place: str) -> Iterator[str]:
    for field in ("privileged", "allowPrivilegeEscalation"):
        if context.get(field):
            yield f"{place}.{field} must not be true"
    if (context.get("capabilities") or {}).get("add"):
        yield f"{place}.capabilities.add must be empty"
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield f"{place}: running as root is not allowed"
    if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield f"{place}.seccompProfile must not be Unconfined"
    if context.get("procMount") not in (None, "Default"):
        yield f"{place}.procMount must be Default"


def _task_container(made: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    container = next((c for c in spec.get("containers") or () if c.get("name") == CONTAINER_NAME), None)
    if container is None:
        yield f"spec.containers must keep '{CONTAINER_NAME}'"
        return
    ours = next(c for c in made["containers"] if c["name"] == CONTAINER_NAME)
    if _contract(ours) != _contract(container):
        yield f"spec.containers[{CONTAINER_NAME}].env: LIMOSA_POD_* is the platform's"
    for field in ("terminationMessagePath", "terminationMessagePolicy"):
        if ours.get(field) != container.get(field):
            yield f"spec.containers[{CONTAINER_NAME}].{field} is the platform's"


def _contract(container: dict[str, Any]) -> list[Any]:
    return [entry for entry in container.get("env") or () if is_contract_variable(entry.get("name", ""))]


def _walk(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for key, entry in value.items():
            yield from _walk(entry, f"{path}.{key}")
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _walk(entry, f"{path}[{number}]")
