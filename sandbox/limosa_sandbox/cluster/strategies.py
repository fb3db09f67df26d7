"""Strategies: per kind, what the server fills in and refuses on create, update and delete."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from limosa_sandbox.cluster import definitions, metadata, pods
from limosa_sandbox.cluster.errors import Cause, forbidden, invalid, required
from limosa_sandbox.cluster.kinds import Kind, Object

_SYSTEM_FIELDS = (
    "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
    "resourceVersion", "generateName",
)  # fmt: skip
_DATA_BYTES = 1024 * 1024


def _same(kind: Kind, obj: Object) -> Object:
    return obj


def _valid(kind: Kind, obj: Object) -> list[Cause]:
    return []


def _same_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> Object:
    return new


def _valid_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> list[Cause]:
    return []


@dataclass(frozen=True)
class Strategy:
    """The rules of one kind.

    Attributes:
        prepare_create: Returns a new object with defaults filled in; may change it in place.
        validate: Returns what is wrong with a new object.
        prepare_update: Returns the changed object with what the server decides; changes nothing in place.
        validate_update: Returns what is wrong with a change.
        name_rule: What names look like: ``subdomain``, ``label`` or ``path``.
    """

    prepare_create: Callable[[Kind, Object], Object] = _same
    validate: Callable[[Kind, Object], list[Cause]] = _valid
    prepare_update: Callable[[Kind, Object, Object, str | None], Object] = _same_update
    validate_update: Callable[[Kind, Object, Object, str | None], list[Cause]] = _valid_update
    name_rule: str = "subdomain"


def strategy_of(kind: Kind) -> Strategy:
    """Return the rules of a kind."""
    return _CUSTOM if kind.custom else _STRATEGIES.get(kind.key, _PLAIN)


# -- every kind ---------------------------------------------------------------------------------------------------


def restore(kind: Kind, obj: Object, old: Object, subresource: str | None) -> Object:
    """Return the changed object with the parts that this request may not change taken from the old one."""
    before = old["metadata"]
    meta: dict[str, Any] = {
        key: value for key, value in (obj.get("metadata") or {}).items() if value not in (None, {}, [])
    }
    meta.pop("managedFields", None)
    meta.pop("selfLink", None)
    for name in _SYSTEM_FIELDS:
        if name in before:
            meta[name] = before[name]
        else:
            meta.pop(name, None)
    if subresource == "status":
        if kind.custom:
            meta = before
        elif kind.key == "pods":
            meta.pop("ownerReferences", None)
            if "ownerReferences" in before:
                meta["ownerReferences"] = before["ownerReferences"]
        return _with_status({**old, "metadata": meta}, obj)
    new = {**obj, "apiVersion": old["apiVersion"], "kind": old["kind"], "metadata": meta}
    return _with_status(new, old) if kind.has_status() else new


def _with_status(obj: Object, source: Object) -> Object:
    if source.get("status") is not None:
        return {**obj, "status": source["status"]}
    obj.pop("status", None)
    return obj


def with_generation(kind: Kind, new: Object, old: Object) -> Object:
    """Return the changed object with ``metadata.generation`` raised if the desired state changed."""
    if not kind.custom and kind.key not in ("pods", "customresourcedefinitions.apiextensions.k8s.io"):
        return new
    ignored = ("metadata", "status") if kind.has_status() else ("metadata",)
    keys = (new.keys() | old.keys()) - set(ignored)
    if all(new.get(key) == old.get(key) for key in keys):
        return new
    generation = int(old["metadata"].get("generation") or 1) + 1
    return {**new, "metadata": {**new["metadata"], "generation": generation}}


def marked_for_deletion(
    kind: Kind, obj: Object, grace_seconds: int | None, propagation: str | None, now: datetime
) -> Object | None:  # fmt: skip
    """Return the object as a delete request leaves it: marked, unchanged (the same object), or None when it is gone at once."""
    meta = obj["metadata"]
    period = pods.grace_period(obj, grace_seconds) if kind.key == "pods" else 0
    finalizers = _deletion_finalizers(meta.get("finalizers") or [], propagation)
    held = bool(finalizers) or bool(
        (obj.get("spec") or {}).get("finalizers") if kind.key == "namespaces" else None
    )
    deleting = "deletionTimestamp" in meta
    if deleting:
        period = min(period, int(meta.get("deletionGracePeriodSeconds") or 0))
    if period == 0 and not held:
        return None
    marked = {**meta}
    if finalizers:
        marked["finalizers"] = finalizers
    else:
        marked.pop("finalizers", None)
    if not deleting or period != meta.get("deletionGracePeriodSeconds"):
        marked["deletionTimestamp"] = metadata.timestamp(now + timedelta(seconds=period))
        marked["deletionGracePeriodSeconds"] = period
        if "generation" in meta and not deleting:
            marked["generation"] = int(meta["generation"]) + 1
    if marked == meta:
        return obj
    changed = {**obj, "metadata": marked}
    if kind.key == "namespaces":
        changed["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
    return changed


def _deletion_finalizers(present: list[str], propagation: str | None) -> list[str]:
    if propagation is None:
        return present
    kept = [name for name in present if name not in ("orphan", "foregroundDeletion")]
    if propagation == "Orphan":
        return [*kept, "orphan"]
    if propagation == "Foreground":
        return [*kept, "foregroundDeletion"]
    return kept


def bound_pod(pod: Object, node: str, moment: str) -> Object:
    """Return a pod as assigned to a node."""
    status = pod.get("status") or {}
    conditions = [entry for entry in status.get("conditions") or [] if entry.get("type") != "PodScheduled"]
    conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": moment})
    return {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": {**status, "conditions": conditions}}


# -- namespaces ---------------------------------------------------------------------------------------------------


def _create_namespace(kind: Kind, obj: Object) -> Object:
    meta = obj["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta.get("name", "")}
    obj["spec"] = {"finalizers": ["kubernetes"]}
    obj["status"] = {"phase": "Active"}
    return obj


def _update_namespace(kind: Kind, new: Object, old: Object, subresource: str | None) -> Object:
    if subresource == "finalize":
        return {**old, "spec": new.get("spec") or {}}
    return {**new, "spec": old.get("spec") or {}}


# -- config maps and secrets --------------------------------------------------------------------------------------


def _validate_config_map(kind: Kind, obj: Object) -> list[Cause]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    causes = _check_keys(data, "data") + _check_keys(binary, "binaryData")
    causes += [
        invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in data
        if key in binary
    ]
    return causes + _check_size([*data.values(), *binary.values()])


def _create_secret(kind: Kind, obj: Object) -> Object:
    obj.setdefault("type", "Opaque")
    return _with_string_data(obj)


def _with_string_data(obj: Object) -> Object:
    strings = obj.get("stringData")
    if "stringData" not in obj:
        return obj
    obj = {key: value for key, value in obj.items() if key != "stringData"}
    if strings:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in strings.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    return obj


def _update_secret(kind: Kind, new: Object, old: Object, subresource: str | None) -> Object:
    new = _with_string_data(new)
    return new if new.get("type") else {**new, "type": old.get("type", "Opaque")}


def _validate_secret(kind: Kind, obj: Object) -> list[Cause]:
    data = obj.get("data") or {}
    return _check_keys(data, "data") + _check_size(list(data.values()))


def _validate_secret_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> list[Cause]:
    causes = _validate_secret(kind, new) + _check_immutable(new, old, ("data",))
    if new.get("type") != old.get("type"):
        causes.append(invalid("type", new.get("type"), "field is immutable"))
    return causes


def _validate_config_map_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> list[Cause]:
    return _validate_config_map(kind, new) + _check_immutable(new, old, ("data", "binaryData"))


def _check_keys(data: dict[str, Any], field: str) -> list[Cause]:
    valid = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    causes: list[Cause] = []
    for key in data:
        plain = key.replace("-", "").replace("_", "").replace(".", "")
        if not (plain.isascii() and plain.isalnum()) or len(key) > 253 or key in (".", ".."):
            causes.append(invalid(f"{field}[{key}]", key, valid))
    return causes


def _check_size(values: list[Any]) -> list[Cause]:
    if sum(len(str(value)) for value in values) > _DATA_BYTES:
        return [Cause("data", "FieldValueTooLong", f"Too long: may not be more than {_DATA_BYTES} bytes")]
    return []


def _check_immutable(new: Object, old: Object, fields: tuple[str, ...]) -> list[Cause]:
    if not old.get("immutable"):
        return []
    causes = [
        forbidden(field, "field is immutable when `immutable` is set") for field in fields if new.get(field) != old.get(field)
    ]  # fmt: skip
    if not new.get("immutable"):
        causes.append(forbidden("immutable", "field is immutable when `immutable` is set"))
    return causes


# -- events, leases -----------------------------------------------------------------------------------------------


def _validate_event(kind: Kind, obj: Object) -> list[Cause]:
    involved = obj.get("involvedObject")
    if not isinstance(involved, dict):
        return [required("involvedObject")]
    namespace = obj["metadata"].get("namespace")
    expected = involved.get("namespace") or "default"
    if namespace != expected:
        return [
            invalid(
                "involvedObject.namespace", involved.get("namespace") or "", "does not match event.namespace"
            )
        ]
    return []


def _validate_lease(kind: Kind, obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes: list[Cause] = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        causes.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        causes.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return causes


def _validate_lease_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> list[Cause]:
    return _validate_lease(kind, new)


# -- custom resources ---------------------------------------------------------------------------------------------


def _create_custom(kind: Kind, obj: Object) -> Object:
    if kind.has_status():
        obj.pop("status", None)
    obj["metadata"]["generation"] = 1
    schema = kind.schemas.get(kind.version)
    return schema.completed(obj) if schema else obj


def _update_custom(kind: Kind, new: Object, old: Object, subresource: str | None) -> Object:
    schema = kind.schemas.get(kind.version)
    return schema.completed(new) if schema else new


def _validate_custom(kind: Kind, obj: Object) -> list[Cause]:
    schema = kind.schemas.get(kind.version)
    return schema.check(obj) if schema else []


def _validate_custom_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> list[Cause]:
    return _validate_custom(kind, new)


_PLAIN = Strategy()
_CUSTOM = Strategy(_create_custom, _validate_custom, _update_custom, _validate_custom_update)
_STRATEGIES = {
    "pods": Strategy(pods.prepare_create, pods.validate, pods.prepare_update, pods.validate_update),
    "podtemplates": Strategy(pods.prepare_template, pods.validate_template),
    "namespaces": Strategy(_create_namespace, prepare_update=_update_namespace, name_rule="label"),
    "configmaps": Strategy(validate=_validate_config_map, validate_update=_validate_config_map_update),
    "secrets": Strategy(_create_secret, _validate_secret, _update_secret, _validate_secret_update),
    "events": Strategy(validate=_validate_event),
    "leases.coordination.k8s.io": Strategy(validate=_validate_lease, validate_update=_validate_lease_update),
    "customresourcedefinitions.apiextensions.k8s.io": Strategy(
        definitions.prepare_create,
        definitions.validate,
        definitions.prepare_update,
        definitions.validate_update,
    ),
}
