"""OpenAPI v3 documents of what is served, for kubectl's validation, explain and apply."""

from __future__ import annotations

import hashlib
from typing import Any

from limosa_sandbox.cluster import builtin
from limosa_sandbox.cluster.discovery import REVIEW_GROUP, REVIEWS, group_names, group_versions
from limosa_sandbox.cluster.kinds import EVENTS, Kind, Object, Registry
from limosa_sandbox.cluster.records import encode
from limosa_sandbox.cluster.views import EVENTS_GROUP

_REFERENCE = "#/components/schemas/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


def index(kinds: Registry) -> Object:
    """Return what ``/openapi/v3`` answers: every document's address, with a hash that changes with its content."""
    paths = {}
    for place, group, version in _places(kinds):
        digest = hashlib.sha256(encode(document(group, version, kinds))).hexdigest().upper()
        paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest}"}
    return {"paths": paths}


def _places(kinds: Registry) -> list[tuple[str, str, str]]:
    places = [("api/v1", "", "v1")]
    for group in group_names(kinds):
        places += [(f"apis/{group}/{version}", group, version) for version in group_versions(group, kinds)]
    return places


def document(group: str, version: str, kinds: Registry) -> Object | None:
    """Return one group version's document, None when it is not served."""
    if group == REVIEW_GROUP:
        served = [Kind(group, "v1", plural, kind, False) for plural, kind in REVIEWS.items()]
    elif group == EVENTS_GROUP:
        served = [Kind(group, "v1", "events", EVENTS.kind, True)]
    else:
        served = [kind for kind in kinds if kind.group == group and version in kind.served_versions]
    if not served or version not in group_versions(group, kinds):
        return None
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for kind in served:
        name = _add_schema(kind, group, version, schemas)
        paths.update(_paths(kind, group, version, name))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.34.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _add_schema(kind: Kind, group: str, version: str, schemas: dict[str, Any]) -> str:
    if kind.custom:
        reverse = ".".join(reversed(group.split(".")))
        name = f"{reverse}.{version}.{kind.kind}"
        raw = dict(kind.schemas[version].raw)
        meta = {"allOf": [{"$ref": _REFERENCE + _META + "ObjectMeta"}]}
        raw["properties"] = {
            "apiVersion": {"type": "string"}, "kind": {"type": "string"}, **(raw.get("properties") or {}), "metadata": meta,
        }  # fmt: skip
        raw["x-kubernetes-group-version-kind"] = [{"group": group, "version": version, "kind": kind.kind}]
        schemas[name] = raw
        _close(_META + "ObjectMeta", schemas)
    else:
        name = builtin.type_of(group, version, kind.kind) or ""
        _close(name, schemas)
    return name


def _close(name: str, schemas: dict[str, Any]) -> None:
    """Add a built-in type and every type it refers to."""
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in schemas:
            schemas[current] = builtin.documents()[current]
            waiting += _references(schemas[current])


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for entry in node for name in _references(entry)]
    if not isinstance(node, dict):
        return []
    found = [name for value in node.values() for name in _references(value)]
    reference = node.get("$ref")
    if isinstance(reference, str):
        found.append(reference.removeprefix(_REFERENCE))
    return found


def _paths(kind: Kind, group: str, version: str, name: str) -> dict[str, Any]:
    prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
    collection = (
        f"{prefix}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{prefix}/{kind.plural}"
    )
    gvk = {"group": group, "version": version, "kind": kind.kind}
    schema = {"$ref": _REFERENCE + name}
    if not _is_stored(group):
        return {f"{prefix}/{kind.plural}": {"post": _operation("post", gvk, schema, False)}}
    one = {verb: _operation(verb, gvk, schema, kind.custom) for verb in ("get", "put", "patch", "delete")}
    paths = {
        collection: {verb: _operation(verb, gvk, schema, kind.custom) for verb in ("get", "post")},
        f"{collection}/{{name}}": one,
    }
    if kind.has_status():
        paths[f"{collection}/{{name}}/status"] = {
            verb: _operation(verb, gvk, schema, kind.custom) for verb in ("get", "put", "patch")
        }  # fmt: skip
    return paths


def _is_stored(group: str) -> bool:
    return group != REVIEW_GROUP


def _operation(verb: str, gvk: dict[str, str], schema: Object, custom: bool) -> Object:
    answer = {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}}
    operation: Object = {"responses": answer, "x-kubernetes-group-version-kind": gvk}
    if verb in ("post", "put", "patch"):
        operation["parameters"] = [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in _WRITE_PARAMETERS
        ]
        media = ["application/json"]
        if verb == "patch":
            media = ["application/json-patch+json", "application/merge-patch+json"]
            # Its presence is how kubectl decides between the two merges.
            media += [] if custom else ["application/strategic-merge-patch+json"]
        operation["requestBody"] = {"content": {name: {"schema": schema} for name in media}}
    return operation
