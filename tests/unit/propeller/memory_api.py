"""An API server in memory: the verbs an operator uses on runs, pods and Events. `test_fakes` holds it to the real one."""

import copy
import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import orjson

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import Resource

Object = dict[str, Any]
Key = tuple[str, str]
"""Plural of the kind, name; there is one namespace."""


def _ignored(kind: str, plural: str, found: Object) -> None:
    return


@dataclasses.dataclass
class MemoryApi:
    """Objects by kind and name; `watcher` is told of each change as a watch would be: type, plural, object."""

    watcher: Callable[[str, str, Object], None] = _ignored
    created: Callable[[Object], None] = lambda pod: None
    """Told of each new pod."""
    objects: dict[Key, Object] = dataclasses.field(default_factory=dict)
    _version: "itertools.count[int]" = dataclasses.field(default_factory=lambda: itertools.count(1))
    _uids: "itertools.count[int]" = dataclasses.field(default_factory=lambda: itertools.count(1))
    _now: int = 0

    def list(self, resource: Resource) -> tuple[list[Object], str]:
        """All of a kind, and the version that was true at."""
        found = [copy.deepcopy(one) for (plural, _), one in self.objects.items() if plural == resource.plural]
        return found, str(self._now)

    def get(self, resource: Resource, name: str) -> Object:
        return copy.deepcopy(self._object(resource, name))

    def create(self, resource: Resource, body: Object) -> Object:
        name = body["metadata"]["name"]
        if (resource.plural, name) in self.objects:
            raise ApiError(409, "AlreadyExists", f'{resource.plural} "{name}" already exists')
        made = copy.deepcopy(body)
        made["metadata"].update(uid=f"uid-{next(self._uids)}", generation=1)
        made.pop("status", None)
        if resource.plural == "pods":
            made["status"] = {"phase": "Pending"}
        self.objects[resource.plural, name] = made
        self._changed("ADDED", resource.plural, made)
        if resource.plural == "pods":
            self.created(made)
            return {
                "apiVersion": "meta.k8s.io/v1",
                "kind": "PartialObjectMetadata",
                "metadata": copy.deepcopy(made["metadata"]),
            }
        return copy.deepcopy(made)

    def merge(self, resource: Resource, name: str, patch: Object) -> Object:
        """A merge patch of a spec, one level deep."""
        found = self._object(resource, name)
        if patch.get("metadata", {}).get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            raise ApiError(422, "Invalid", "metadata.uid: field is immutable")
        found["spec"].update(patch["spec"])
        found["metadata"]["generation"] += 1
        self._changed("MODIFIED", resource.plural, found)
        return copy.deepcopy(found)

    def replace_status(self, resource: Resource, name: str, uid: str, status: bytes) -> None:
        found = self._object(resource, name)
        if found["metadata"]["uid"] != uid:
            raise ApiError(422, "Invalid", "testing path /metadata/uid value failed")
        found["status"] = orjson.loads(status)
        self._changed("MODIFIED", resource.plural, found)

    def delete(self, resource: Resource, name: str, uid: str = "") -> None:
        """Removes it, and the pods it owns; a pod that runs is first told to end, see `remove`."""
        found = self._object(resource, name)
        if uid and found["metadata"]["uid"] != uid:
            raise ApiError(409, "Conflict", "the UID in the precondition does not match")
        self._end(resource.plural, found)
        for (plural, _), one in list(self.objects.items()):
            owners = one["metadata"].get("ownerReferences") or ()
            if plural == "pods" and found["metadata"]["uid"] in {owner["uid"] for owner in owners}:
                self._end(plural, one)

    def delete_collection(self, resource: Resource, labels: str) -> None:
        """Removes those whose label has one of the values: "label in (value,value)"."""
        label, _, values = labels.partition(" in ")
        wanted = set(values.strip("()").split(","))
        for (plural, _), one in list(self.objects.items()):
            if plural == resource.plural and (one["metadata"].get("labels") or {}).get(label) in wanted:
                self._end(plural, one)

    def set_pod_status(self, name: str, status: Object) -> None:
        """As the kubelet does."""
        pod = self.objects["pods", name]
        pod["status"] = status
        self._changed("MODIFIED", "pods", pod)

    def remove(self, plural: str, name: str) -> None:
        """The object is gone."""
        self._changed("DELETED", plural, self.objects.pop((plural, name)))

    def _end(self, plural: str, found: Object) -> None:
        if plural == "pods" and found["status"]["phase"] == "Running":
            if not found["metadata"].get("deletionTimestamp"):
                found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
                self._changed("MODIFIED", plural, found)
            return
        self.remove(plural, found["metadata"]["name"])

    def _object(self, resource: Resource, name: str) -> Object:
        found = self.objects.get((resource.plural, name))
        if found is None:
            raise ApiError(404, "NotFound", f'{resource.plural} "{name}" not found')
        return found

    def _changed(self, kind: str, plural: str, found: Object) -> None:
        self._now = next(self._version)
        found["metadata"]["resourceVersion"] = str(self._now)
        self.watcher(kind, plural, copy.deepcopy(found))
