"""Garbage collection: what must go because its owner, its namespace or its definition went.

Level-based like the real controllers: a check looks at one object as it is now and moves it one step. Changes only say which
objects deserve a check, so a restart can simply check everything.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Object
from limosa_sandbox.cluster.records import Change

if TYPE_CHECKING:
    from limosa_sandbox.cluster.storage import Storage

_CRDS = "customresourcedefinitions.apiextensions.k8s.io"
CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_SLICE_SECONDS = 0.005


class Collector:
    """Deletes dependents, empties namespaces, and removes custom objects with their definition."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._dependents: dict[str, set[str]] = {}
        self._queue: deque[str] = deque()
        self._queued: set[str] = set()

    def observe(self, resource: str, change: Change) -> bool:
        """Take note of a change; True when there is work now."""
        meta = change.record.obj["metadata"]
        before: dict[str, Any] = change.previous.obj["metadata"] if change.previous else {}
        uid = meta["uid"]
        owners, old_owners = meta.get("ownerReferences") or [], before.get("ownerReferences") or []
        gone = change.type == "DELETED"
        if owners != old_owners or gone:
            self._index(uid, [] if gone else owners, old_owners)
            if owners and not gone:
                self._enqueue(uid)
        if gone:
            for dependent in self._dependents.get(uid, ()):
                self._enqueue(dependent)
            for owner in owners:
                self._enqueue_if_deleting(owner["uid"])
            self._enqueue_containers(resource, meta)
        elif meta.get("deletionTimestamp") and (resource in ("namespaces", _CRDS) or meta.get("finalizers")):
            self._enqueue(uid)
            for dependent in self._dependents.get(uid, ()):
                self._enqueue(dependent)
        return bool(self._queue)

    @property
    def pending(self) -> bool:
        """Whether objects are queued for a check."""
        return bool(self._queue)

    def work(self) -> None:
        """Check queued objects, for a few milliseconds at most."""
        until = time.perf_counter() + _SLICE_SECONDS
        while self._queue:
            uid = self._queue.popleft()
            self._queued.discard(uid)
            self._check(uid)
            if time.perf_counter() > until:
                break

    # -- what deserves a check ----------------------------------------------------------------------------------

    def _index(self, uid: str, owners: list[dict[str, Any]], old_owners: list[dict[str, Any]]) -> None:
        for owner in old_owners:
            known = self._dependents.get(owner["uid"])
            if known is not None:
                known.discard(uid)
                if not known:
                    del self._dependents[owner["uid"]]
        for owner in owners:
            self._dependents.setdefault(owner["uid"], set()).add(uid)

    def _enqueue(self, uid: str) -> None:
        if uid not in self._queued:
            self._queued.add(uid)
            self._queue.append(uid)

    def _enqueue_if_deleting(self, uid: str) -> None:
        found = self._storage.find(uid)
        if found and found[1]["metadata"].get("deletionTimestamp"):
            self._enqueue(uid)

    def _enqueue_containers(self, resource: str, meta: dict[str, Any]) -> None:
        namespace = meta.get("namespace")
        if namespace:
            space = self._storage.collection("namespaces").get("", namespace)
            if space and space.obj["metadata"].get("deletionTimestamp"):
                self._enqueue(space.obj["metadata"]["uid"])
        definition = self._storage.collection(_CRDS).get("", resource)
        if definition and definition.obj["metadata"].get("deletionTimestamp"):
            self._enqueue(definition.obj["metadata"]["uid"])

    # -- one step of one object ---------------------------------------------------------------------------------

    def _check(self, uid: str) -> None:
        found = self._storage.find(uid)
        if found is None:
            return
        resource, obj = found
        meta = obj["metadata"]
        if not meta.get("deletionTimestamp"):
            if meta.get("ownerReferences"):
                self._check_owned(resource, obj)
            return
        finalizers = meta.get("finalizers") or []
        if "orphan" in finalizers:
            self._orphan(resource, obj)
        elif "foregroundDeletion" in finalizers:
            self._delete_dependents_first(resource, obj)
        elif resource == "namespaces":
            self._empty_namespace(obj)
        elif resource == _CRDS:
            self._remove_instances(obj)

    def _check_owned(self, resource: str, obj: Object) -> None:
        meta = obj["metadata"]
        solid, waiting = [], []
        for owner in meta["ownerReferences"]:
            state = self._owner_state(owner, meta.get("namespace"))
            if state == "solid":
                solid.append(owner)
            elif state == "waiting":
                waiting.append(owner)
        if solid:
            if len(solid) < len(meta["ownerReferences"]):
                self._set_metadata(resource, obj, {**meta, "ownerReferences": solid})
            return
        propagation = "Foreground" if waiting and self._dependents.get(meta["uid"]) else "Background"
        self._delete(resource, obj, propagation)

    def _owner_state(self, owner: dict[str, Any], namespace: str | None) -> str:
        """Return ``solid`` (lives), ``waiting`` (is being deleted after its dependents) or ``absent``."""
        found = self._storage.find(owner["uid"])
        if found is None:
            return "absent"
        meta = found[1]["metadata"]
        if meta["name"] != owner["name"] or meta.get("namespace", namespace) != namespace:
            return "absent"
        deleting = meta.get("deletionTimestamp") and "foregroundDeletion" in (meta.get("finalizers") or [])
        return "waiting" if deleting else "solid"

    def _orphan(self, resource: str, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        for dependent in list(self._dependents.get(uid, ())):
            found = self._storage.find(dependent)
            if found:
                meta = found[1]["metadata"]
                kept = [owner for owner in meta["ownerReferences"] if owner["uid"] != uid]
                self._set_metadata(found[0], found[1], {**meta, "ownerReferences": kept})
        self._remove_finalizer(resource, obj, "orphan")

    def _delete_dependents_first(self, resource: str, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        blocked = False
        for dependent in list(self._dependents.get(uid, ())):
            found = self._storage.find(dependent)
            if found is None:
                continue
            owners = found[1]["metadata"].get("ownerReferences") or []
            blocked = blocked or any(
                owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in owners
            )
            if not found[1]["metadata"].get("deletionTimestamp"):
                self._enqueue(dependent)
        if not blocked:
            self._remove_finalizer(resource, obj, "foregroundDeletion")

    def _empty_namespace(self, obj: Object) -> None:
        name = obj["metadata"]["name"]
        left = False
        for kind in list(self._storage.kinds):
            if not kind.namespaced:
                continue
            for record in list(self._storage.collection(kind.key).records(name)):
                if not record.obj["metadata"].get("deletionTimestamp"):
                    self._delete(kind.key, record.obj, "Background")
            left = left or next(self._storage.collection(kind.key).records(name), None) is not None
        if not left:
            finished = {**obj, "spec": {}}
            self._storage.update("namespaces", None, name, finished, subresource="finalize")

    def _remove_instances(self, definition: Object) -> None:
        resource = definition["metadata"]["name"]
        if self._storage.kinds.get(resource) is not None:
            for record in list(self._storage.collection(resource).records()):
                if not record.obj["metadata"].get("deletionTimestamp"):
                    self._delete(resource, record.obj, "Background")
            if len(self._storage.collection(resource)):
                return
        self._remove_finalizer(_CRDS, definition, CRD_FINALIZER)

    def _remove_finalizer(self, resource: str, obj: Object, finalizer: str) -> None:
        meta = obj["metadata"]
        kept = [name for name in meta.get("finalizers") or [] if name != finalizer]
        self._set_metadata(resource, obj, {**meta, "finalizers": kept})

    def _set_metadata(self, resource: str, obj: Object, meta: dict[str, Any]) -> None:
        self._storage.update(resource, meta.get("namespace"), meta["name"], {**obj, "metadata": meta})

    def _delete(self, resource: str, obj: Object, propagation: str) -> None:
        meta = obj["metadata"]
        try:
            self._storage.delete(
                resource, meta.get("namespace"), meta["name"], uid=meta["uid"], propagation=propagation
            )  # fmt: skip
        except ApiError as error:
            # Gone or replaced meanwhile is what was wanted; anything else would be a bug.
            if error.code not in (404, 409):
                raise
