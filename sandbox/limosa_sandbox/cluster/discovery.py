"""Discovery: which groups, versions and resources the server has."""

from __future__ import annotations

from typing import Any

from limosa_sandbox.cluster.kinds import Kind, Object, Registry
from limosa_sandbox.cluster.views import EVENTS_GROUP

VERSION = {
    "major": "1", "minor": "34", "gitVersion": "v1.34.0+limosa-sandbox", "gitCommit": "", "gitTreeState": "clean",
    "buildDate": "2025-08-27T00:00:00Z", "goVersion": "", "compiler": "", "platform": "python",
}  # fmt: skip
REVIEWS = {
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "selfsubjectrulesreviews": "SelfSubjectRulesReview",
}
REVIEW_GROUP = "authorization.k8s.io"
_SUBRESOURCE_VERBS = {
    "status": ["get", "patch", "update"],
    "log": ["get"],
    "binding": ["create"],
    "eviction": ["create"],
}
_SUBRESOURCE_KINDS = {"binding": ("", "v1", "Binding"), "eviction": ("policy", "v1", "Eviction")}


def core_versions(address: str) -> Object:
    """Return what ``/api`` answers; ``address`` is the server's ``host:port``."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def groups(kinds: Registry) -> Object:
    """Return what ``/apis`` answers."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(name, kinds) for name in group_names(kinds)],
    }


def group(name: str, kinds: Registry) -> Object | None:
    """Return what ``/apis/<group>`` answers, None when there is no such group."""
    if name not in group_names(kinds):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, kinds)}


def group_names(kinds: Registry) -> list[str]:
    """Return the named groups (all but the core one), sorted."""
    return sorted({kind.group for kind in kinds if kind.group} | {EVENTS_GROUP, REVIEW_GROUP})


def group_versions(name: str, kinds: Registry) -> list[str]:
    """Return a group's versions, the preferred one first."""
    if name in ("", EVENTS_GROUP, REVIEW_GROUP):
        return ["v1"]
    versions: dict[str, None] = {}
    for kind in kinds:
        if kind.group == name:
            versions.update(dict.fromkeys(kind.served_versions))
    return list(versions)


def _group(name: str, kinds: Registry) -> Object:
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version} for version in group_versions(name, kinds)
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resources(group_name: str, version: str, kinds: Registry) -> Object | None:
    """Return what ``/api/v1`` or ``/apis/<group>/<version>`` answers, None when there is no such version."""
    if group_name == REVIEW_GROUP and version == "v1":
        listed = [_review(plural, kind) for plural, kind in REVIEWS.items()]
    elif group_name == EVENTS_GROUP and version == "v1":
        listed = [entry for kind in kinds if kind.key == "events" for entry in _entries(kind)]
    else:
        served = [kind for kind in kinds if kind.group == group_name and version in kind.served_versions]
        if not served:
            return None
        listed = [entry for kind in served for entry in _entries(kind)]
    shown = f"{group_name}/{version}" if group_name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": shown, "resources": listed}


def _entries(kind: Kind) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular_name,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    entries = [entry]
    for name in kind.subresources:
        group_name, version, shown = _SUBRESOURCE_KINDS.get(name, ("", "", kind.kind))
        below = {
            "name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced, "kind": shown,
            "verbs": _SUBRESOURCE_VERBS[name],
        }  # fmt: skip
        if group_name:
            below.update(group=group_name, version=version)
        entries.append(below)
    return entries


def _review(plural: str, kind: str) -> dict[str, Any]:
    return {
        "name": plural,
        "singularName": kind.lower(),
        "namespaced": False,
        "kind": kind,
        "verbs": ["create"],
    }
