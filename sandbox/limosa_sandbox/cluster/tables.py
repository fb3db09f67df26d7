"""Tables: objects as rows, the way ``kubectl get`` asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from limosa_sandbox.cluster import jsonpath
from limosa_sandbox.cluster.durations import age
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Column, Kind, Object
from limosa_sandbox.cluster.podtable import pod_cells

Cells = Callable[[Object, datetime], list[Any]]


def table(
    kind: Kind, version: str, objects: Iterable[Object], now: datetime, *,
    include: str = "Metadata", headed: bool = True, meta: dict[str, Any] | None = None,
) -> Object:  # fmt: skip
    """Return objects as a ``meta.k8s.io/v1`` Table.

    Args:
        kind: What the objects are.
        version: The version clients asked for; custom resources have columns per version.
        objects: What to show.
        now: Reference for ages.
        include: How much of each object a row carries: ``None``, ``Metadata`` or ``Object``.
        headed: Whether column definitions are sent (a watch sends them once).
        meta: The list's metadata.

    Raises:
        ApiError: 400 for an unknown ``include``.
    """
    if include not in ("None", "Metadata", "Object"):
        raise ApiError(400, f"unrecognized includeObject value: {include}")
    definitions, cells = _layout(kind, version)
    rows = []
    for obj in objects:
        row: dict[str, Any] = {"cells": cells(obj, now)}
        if include == "Object":
            row["object"] = obj
        elif include == "Metadata":
            row["object"] = partial(obj)
        rows.append(row)
    shown: Object = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta or {}}
    shown["columnDefinitions"] = definitions if headed else None
    shown["rows"] = rows
    return shown


def partial(obj: Object) -> Object:
    """Return an object's metadata alone, as ``PartialObjectMetadata``."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _layout(kind: Kind, version: str) -> tuple[list[Object], Cells]:
    if kind.custom:
        columns = kind.columns.get(version) or (Column("Age", "date", ".metadata.creationTimestamp"),)
        return _custom_definitions(columns), lambda obj, now: _custom_cells(columns, obj, now)
    headings, cells = _BUILT_IN[kind.key]
    definitions = [
        {"name": name, "type": "string", "format": "name" if name == "Name" else "", "description": name, "priority": priority}
        for name, priority in headings
    ]  # fmt: skip
    return definitions, cells


def _custom_definitions(columns: tuple[Column, ...]) -> list[Object]:
    first = {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "Name of the object",
        "priority": 0,
    }
    rest = [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description
            or f"Custom resource definition column (in JSONPath format): {column.path}",
            "priority": column.priority,
        }
        for column in columns
    ]
    return [first, *rest]


def _custom_cells(columns: tuple[Column, ...], obj: Object, now: datetime) -> list[Any]:
    cells: list[Any] = [obj["metadata"]["name"]]
    for column in columns:
        found = jsonpath.find(obj, column.path)
        value = found[0] if found else None
        if column.type == "date":
            cells.append(age(value, now))
        elif column.type == "string" and value is not None:
            cells.append(value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))
        else:
            cells.append(value)
    return cells


def _age(obj: Object, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _namespace(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], (obj.get("status") or {}).get("phase", ""), _age(obj, now)]


def _config_map(obj: Object, now: datetime) -> list[Any]:
    count = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [obj["metadata"]["name"], count, _age(obj, now)]


def _secret(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data") or {}), _age(obj, now)]


def _service_account(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], len(obj.get("secrets") or []), _age(obj, now)]


def _lease(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], (obj.get("spec") or {}).get("holderIdentity") or "", _age(obj, now)]


def _definition(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


def _quota(obj: Object, now: datetime) -> list[Any]:
    hard = (obj.get("spec") or {}).get("hard") or {}
    used = (obj.get("status") or {}).get("used") or {}
    shown = {name: f"{name}: {used.get(name, '0')}/{limit}" for name, limit in sorted(hard.items())}
    requests = ", ".join(text for name, text in shown.items() if not name.startswith("limits."))
    limits = ", ".join(text for name, text in shown.items() if name.startswith("limits."))
    return [obj["metadata"]["name"], requests, limits, _age(obj, now)]


def _event(obj: Object, now: datetime) -> list[Any]:
    involved = obj.get("involvedObject") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    count = series.get("count") or obj.get("count") or 1
    seen = age(last, now)
    source = obj.get("source") or {}
    origin = ", ".join(
        text
        for text in (source.get("component") or obj.get("reportingComponent"), source.get("host"))
        if text
    )
    return [
        seen, obj.get("type", ""), obj.get("reason", ""), f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""), origin, str(obj.get("message", "")).strip(), age(first, now), count, obj["metadata"]["name"],
    ]  # fmt: skip


def _node(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    ready = next((entry for entry in status.get("conditions") or [] if entry.get("type") == "Ready"), None)
    states = [("Ready" if ready["status"] == "True" else "NotReady") if ready else "Unknown"]
    if (obj.get("spec") or {}).get("unschedulable"):
        states.append("SchedulingDisabled")
    prefix = "node-role.kubernetes.io/"
    roles = sorted(
        key.removeprefix(prefix) for key in obj["metadata"].get("labels") or {} if key.startswith(prefix)
    )
    info = status.get("nodeInfo") or {}
    addresses = {entry.get("type"): entry.get("address") for entry in status.get("addresses") or []}
    return [
        obj["metadata"]["name"], ",".join(states), ",".join(roles) or "<none>", _age(obj, now), info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"), addresses.get("ExternalIP", "<none>"), info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>", info.get("containerRuntimeVersion") or "<unknown>",
    ]  # fmt: skip


def _headings(*names: str) -> list[tuple[str, int]]:
    """Return column headings; a name that starts with ``+`` is shown only with ``-o wide``."""
    return [(name.lstrip("+"), int(name.startswith("+"))) for name in names]


_BUILT_IN: dict[str, tuple[list[tuple[str, int]], Cells]] = {
    "pods": (
        _headings("Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates"),
        pod_cells,
    ),
    "namespaces": (_headings("Name", "Status", "Age"), _namespace),
    "configmaps": (_headings("Name", "Data", "Age"), _config_map),
    "secrets": (_headings("Name", "Type", "Data", "Age"), _secret),
    "serviceaccounts": (_headings("Name", "Secrets", "Age"), _service_account),
    "resourcequotas": (_headings("Name", "Request", "Limit", "Age"), _quota),
    "leases.coordination.k8s.io": (_headings("Name", "Holder", "Age"), _lease),
    "customresourcedefinitions.apiextensions.k8s.io": (_headings("Name", "Created At"), _definition),
    "events": (
        _headings(
            "Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message", "+First Seen", "+Count", "+Name"
        ),
        _event,
    ),
    "nodes": (
        _headings(
            "Name", "Status", "Roles", "Age", "Version", "+Internal-IP", "+External-IP", "+OS-Image", "+Kernel-Version",
            "+Container-Runtime",
        ),
        _node,
    ),
}  # fmt: skip
