"""Custom resource definitions: their own rules, and the kinds they add."""

from __future__ import annotations

import re
from typing import Any

from limosa_sandbox.cluster import metadata
from limosa_sandbox.cluster.errors import Cause, invalid, required, unsupported
from limosa_sandbox.cluster.kinds import BUILT_IN, Column, Kind, Object
from limosa_sandbox.cluster.structural import Schema

_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"]
_VERSION = re.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")


def prepare_create(kind: Kind, obj: Object) -> Object:
    """Return a new definition as the API server establishes it: accepted names, conditions, stored versions."""
    spec = obj.get("spec") or {}
    if not isinstance(spec, dict) or not isinstance(spec.get("names"), dict):
        return obj
    obj["spec"] = _defaulted(spec)
    obj["metadata"]["generation"] = 1
    obj["metadata"]["finalizers"] = [*(obj["metadata"].get("finalizers") or []), _FINALIZER]
    moment = obj["metadata"]["creationTimestamp"]
    stored = [version["name"] for version in spec.get("versions") or [] if version.get("storage")]
    obj["status"] = {
        "acceptedNames": obj["spec"]["names"],
        "conditions": [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found", moment),
            _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", moment),
        ],
        "storedVersions": stored,
    }
    return obj


def _condition(type_: str, reason: str, message: str, moment: str) -> dict[str, str]:
    return {
        "type": type_,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": moment,
    }


def _defaulted(spec: dict[str, Any]) -> dict[str, Any]:
    names = dict(spec["names"])
    names.setdefault("singular", str(names.get("kind", "")).lower())
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    return {**spec, "names": names, "conversion": spec.get("conversion") or {"strategy": "None"}}


def prepare_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> Object:
    """Return a changed definition with its accepted names and stored versions kept up to date."""
    spec = new.get("spec")
    if subresource == "status" or not isinstance(spec, dict) or not isinstance(spec.get("names"), dict):
        return new
    spec = _defaulted(spec)
    status = dict(new.get("status") or {})
    stored = list(status.get("storedVersions") or [])
    stored += [
        version["name"]
        for version in spec.get("versions") or []
        if version.get("storage") and version["name"] not in stored
    ]
    return {
        **new,
        "spec": spec,
        "status": {**status, "storedVersions": stored, "acceptedNames": spec["names"]},
    }


def validate(kind: Kind, obj: Object) -> list[Cause]:
    """Return what is wrong with a new definition."""
    spec = obj.get("spec") or {}
    names = spec.get("names")
    if not isinstance(names, dict):
        return [required("spec.names")]
    causes = [
        required(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field)
    ]  # fmt: skip
    group = spec.get("group", "")
    if not metadata.is_dns_subdomain(group) or "." not in group:
        causes.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    if any(built_in.group == group for built_in in BUILT_IN):
        causes.append(invalid("spec.group", group, "this group is served by the API server itself"))
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        causes.append(unsupported("spec.scope", spec.get("scope", ""), ["Cluster", "Namespaced"]))
    if obj["metadata"].get("name") != f"{names.get('plural')}.{group}":
        causes.append(
            invalid("metadata.name", obj["metadata"].get("name"), "must be spec.names.plural+\".\"+spec.group")
        )  # fmt: skip
    return causes + _check_versions(spec.get("versions") or [])


def _check_versions(versions: list[dict[str, Any]]) -> list[Cause]:
    if not versions:
        return [required("spec.versions")]
    causes: list[Cause] = []
    if sum(1 for version in versions if version.get("storage")) != 1:
        causes.append(
            invalid("spec.versions", "", "must have exactly one version marked as storage version")
        )  # fmt: skip
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            causes.append(required(f"{path}.schema.openAPIV3Schema", "schemas are required"))
        elif schema.get("type") != "object":
            causes.append(
                invalid(
                    f"{path}.schema.openAPIV3Schema.type",
                    schema.get("type", ""),
                    "must be object at the root",
                )
            )
        else:
            causes += _check_structural(schema, f"{path}.schema.openAPIV3Schema")
        for position, column in enumerate(version.get("additionalPrinterColumns") or []):
            if column.get("type") not in _COLUMN_TYPES:
                causes.append(
                    unsupported(
                        f"{path}.additionalPrinterColumns[{position}].type",
                        column.get("type", ""),
                        _COLUMN_TYPES,
                    )
                )
    return causes


def _check_structural(node: dict[str, Any], path: str) -> list[Cause]:
    causes: list[Cause] = []
    if not node.get("type") and not (
        node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
    ):
        causes.append(required(f"{path}.type", "must not be empty for specified object fields"))
    if node.get("pattern"):
        try:
            re.compile(node["pattern"])
        except re.error as error:
            causes.append(
                invalid(f"{path}.pattern", node["pattern"], f"must be a valid regular expression: {error}")
            )
    for name, child in (node.get("properties") or {}).items():
        causes += _check_structural(child, f"{path}.properties[{name}]")
    for field in ("items", "additionalProperties"):
        if isinstance(node.get(field), dict):
            causes += _check_structural(node[field], f"{path}.{field}")
    return causes


def validate_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> list[Cause]:
    """Return what is wrong with a changed definition."""
    if subresource == "status":
        return []
    causes = validate(kind, new)
    for field in ("group", "scope"):
        if new["spec"].get(field) != old["spec"].get(field):
            causes.append(invalid(f"spec.{field}", new["spec"].get(field), "field is immutable"))
    for field in ("kind", "plural"):
        if new["spec"]["names"].get(field) != old["spec"]["names"].get(field):
            causes.append(
                invalid(f"spec.names.{field}", new["spec"]["names"].get(field), "field is immutable")
            )
    return causes


def kind_of(definition: Object) -> Kind:
    """Return the kind a definition describes."""
    spec = definition["spec"]
    names = spec["names"]
    served = [version for version in spec["versions"] if version.get("served")]
    storage = next(version for version in spec["versions"] if version.get("storage"))
    subresources = storage.get("subresources") or {}
    return Kind(
        group=spec["group"],
        version=storage["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status",) if name in subresources),
        singular=names.get("singular") or "",
        list_kind=names.get("listKind") or "",
        versions=tuple(sorted((version["name"] for version in served), key=_preference)),
        schemas={
            version["name"]: Schema(version["schema"]["openAPIV3Schema"], root=True)
            for version in spec["versions"]
        },
        columns={version["name"]: _columns(version) for version in spec["versions"]},
        selectable=tuple(field["jsonPath"].lstrip(".") for field in storage.get("selectableFields") or ()),
        custom=True,
    )


def _preference(version: str) -> tuple[int, int, int, str]:
    match = _VERSION.match(version)
    if match is None:
        return (3, 0, 0, version)
    level = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (level, -int(match[1]), -int(match[3] or 0), version)


def _columns(version: dict[str, Any]) -> tuple[Column, ...]:
    return tuple(
        Column(
            entry["name"], entry["type"], entry["jsonPath"], int(entry.get("priority") or 0),
            entry.get("description") or "", entry.get("format") or "",
        )
        for entry in version.get("additionalPrinterColumns") or ()
    )  # fmt: skip
