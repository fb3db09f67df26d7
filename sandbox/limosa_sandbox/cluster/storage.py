"""Storage: the in-process port to the cluster's objects.

Everything runs in one event loop and every call is synchronous and atomic. The HTTP server, the scheduler and the kubelet all
work through it, so each sees the rules a real API server enforces. Objects are plain dicts and shared: never change one that you
got; what you hand in belongs to the storage from then on.

``resource`` is the plural of a core kind (``pods``) or plural and group (``leases.coordination.k8s.io``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson

from limosa_sandbox.cluster import metadata, patching, strategies
from limosa_sandbox.cluster.definitions import kind_of
from limosa_sandbox.cluster.errors import (
    ApiError,
    Cause,
    already_exists,
    conflict,
    denied,
    invalid,
    not_found,
    refused,
)
from limosa_sandbox.cluster.garbage import Collector
from limosa_sandbox.cluster.journal import Journal
from limosa_sandbox.cluster.kinds import Kind, Object, Registry
from limosa_sandbox.cluster.quotas import Quotas
from limosa_sandbox.cluster.records import Change, Collection, Record, Watch, encode
from limosa_sandbox.cluster.retention import EventRetention
from limosa_sandbox.cluster.selectors import Matcher, field_matcher, parse_fields, parse_labels

Records = list[Record]
_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
_SWEEP_EVERY = timedelta(seconds=5)
_LEASES = "leases.coordination.k8s.io"
OPERATORS_LEASE = "limosa-propeller"
"""An operator that finds no Lease waits, because a leader may be there whose Lease was deleted; in a new cluster none is."""
_SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def utc_now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(timezone.utc)


class Storage:
    """All objects of the cluster, their rules and their watches.

    Args:
        directory: Where writes are kept; None keeps nothing beyond this process.
        clock: Source of timestamps.

    Attributes:
        kinds: The kinds served now.
    """

    def __init__(self, directory: Path | None = None, clock: Callable[[], datetime] = utc_now) -> None:
        self.kinds = Registry()
        self._clock = clock
        self._version = 0
        self._collections: dict[str, Collection] = {}
        self._uids: dict[str, tuple[str, str, str]] = {}
        self._collector = Collector(self)
        self._quotas = Quotas(self)
        self._retention = EventRetention(self)
        self._work_scheduled = False
        self._sweep_at = clock()
        self._closed = False
        self._journal = Journal(directory) if directory is not None else None
        self._load()

    @property
    def version(self) -> int:
        """The last resource version given out."""
        return self._version

    @property
    def cluster_uid(self) -> str:
        """Identity of this cluster: the uid of namespace ``kube-system``, stable for the directory's life."""
        return str(self.get("namespaces", None, "kube-system")["metadata"]["uid"])

    # -- reading ------------------------------------------------------------------------------------------------

    def get(self, resource: str, namespace: str | None, name: str) -> Object:
        """Return one object.

        Raises:
            ApiError: 404 when it does not exist.
        """
        return self.record(resource, namespace, name).obj

    def record(self, resource: str, namespace: str | None, name: str) -> Record:
        """Return one object with its bytes and version; errors as :meth:`get`."""
        record = self.collection(resource).get(namespace or "", name)
        if record is None:
            raise not_found(resource, name)
        return record

    def find(self, uid: str) -> tuple[str, Object] | None:
        """Return ``(resource, object)`` of a uid, or None when no such object exists (any more)."""
        place = self._uids.get(uid)
        return (place[0], self.get(*place)) if place else None

    def list(
        self,
        resource: str,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> tuple[list[Object], int]:
        """Return the matching objects, ordered by namespace and name, and the version they are at.

        Args:
            resource: What to list.
            namespace: Only this namespace; None for all.
            labels: Label selector.
            fields: Field selector.

        Raises:
            ApiError: 400 for a selector that cannot be read, 404 for an unknown resource.
        """
        records, version = self.records(resource, namespace, labels=labels, fields=fields)
        return [record.obj for record in records], version

    def records(
        self, resource: str, namespace: str | None = None, *, labels: str | None = None, fields: str | None = None
    ) -> tuple[Records, int]:  # fmt: skip
        """Return what :meth:`list` returns, with bytes and versions."""
        matcher = self.matcher(resource, labels, fields)
        records = self.collection(resource).records(namespace)
        return [record for record in records if matcher is None or matcher(record.obj)], self._version

    def matcher(self, resource: str, labels: str | None, fields: str | None) -> Matcher | None:
        """Return the predicate of both selectors, None when everything matches; errors as :meth:`list`."""
        by_labels = parse_labels(labels) if labels else None
        requirements = parse_fields(fields, self.kind(resource)) if fields else []
        by_fields = field_matcher(requirements) if requirements else None
        if by_labels and by_fields:
            first, second = by_labels, by_fields
            return lambda obj: first(obj) and second(obj)
        return by_labels or by_fields

    def watch(
        self, resource: str, since: int | None = None, *, namespace: str | None = None, matcher: Matcher | None = None
    ) -> Watch:  # fmt: skip
        """Open a stream of changes.

        Args:
            resource: What to watch.
            since: Start after this version; None starts with an ``ADDED`` for every present object.
            namespace: Only this namespace; None for all.
            matcher: Only objects it accepts.

        Raises:
            ApiError: 410 when ``since`` is too long ago, 504 when it is in the future.
        """
        if since is not None and since > self._version:
            raise ApiError(
                504, f"Timeout: Too large resource version: {since}, current: {self._version}",
                details={"retryAfterSeconds": 1, "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]},
            )  # fmt: skip
        watch = self.collection(resource).watch(since, namespace, matcher)
        if watch is None:
            raise ApiError(410, f"too old resource version: {since} ({self._version})")
        return watch

    def kind(self, resource: str) -> Kind:
        """Return the kind of a resource.

        Raises:
            ApiError: 404 when it is not served.
        """
        kind = self.kinds.get(resource)
        if kind is None:
            raise ApiError(404, "the server could not find the requested resource")
        return kind

    def collection(self, resource: str) -> Collection:
        """Return the objects of a resource; errors as :meth:`kind`."""
        collection = self._collections.get(resource)
        if collection is None:
            self.kind(resource)
            collection = self._collections[resource] = Collection(self._version, resource == "events")
        return collection

    # -- writing ------------------------------------------------------------------------------------------------

    def create(self, resource: str, namespace: str | None, obj: Object, *, dry_run: bool = False) -> Object:
        """Add an object and return it as stored.

        Raises:
            ApiError: 409 when the name is taken, 422 for invalid fields, 403 by policy, 404 for a missing namespace.
        """
        kind = self.kind(resource)
        space = namespace or ""
        meta = metadata.start(obj, kind, space, self._clock())
        collection = self.collection(resource)
        if "name" not in meta and meta.get("generateName"):
            meta["name"] = metadata.generated_name(meta["generateName"])
        strategy = strategies.strategy_of(kind)
        obj = strategy.prepare_create(kind, obj)
        causes = metadata.check(obj, kind, strategy.name_rule) + strategy.validate(kind, obj)
        if causes:
            raise refused(kind.kind, kind.group, meta.get("name", ""), causes)
        if collection.get(space, meta["name"]) is not None:
            raise already_exists(resource, meta["name"])
        if kind.namespaced:
            self._check_namespace(resource, space, meta["name"])
        if resource == "pods":
            self._quotas.check(space, obj)
        if dry_run:
            return obj
        return self._commit("ADDED", kind, obj, None).obj

    def update(
        self, resource: str, namespace: str | None, name: str, obj: Object, *,
        subresource: str | None = None, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Replace an object (or its ``status`` only) and return it as stored.

        A ``metadata.resourceVersion`` or ``metadata.uid`` in ``obj`` is a precondition.

        Raises:
            ApiError: 409 when a precondition does not hold, 404, 422, 403.
        """
        return self._replace(
            self.record(resource, namespace, name), self.kind(resource), obj, subresource, dry_run
        )

    def patch(
        self, resource: str, namespace: str | None, name: str, patch: Any, *,
        kind: str = "merge", subresource: str | None = None, dry_run: bool = False,
        review: Callable[[Object], Object] | None = None,
    ) -> Object:  # fmt: skip
        """Apply a patch to an object (or to its ``status`` only) and return it as stored.

        Args:
            resource: What to patch.
            namespace: Its namespace, None for cluster-scoped objects.
            name: Its name.
            patch: A dict for ``merge`` and ``strategic``, a list of operations for ``json``.
            kind: ``merge`` (RFC 7386), ``json`` (RFC 6902) or ``strategic``.
            subresource: None or ``status``.
            dry_run: Check everything, store nothing.
            review: Gets the patched object before anything else and returns the one to go on with.

        Raises:
            ApiError: As :meth:`update`; 400 for a patch that cannot be applied.
        """
        record = self.record(resource, namespace, name)
        served = self.kind(resource)
        patched = patching.apply(record.obj, patch, kind, served)
        uid = patched["metadata"].get("uid")
        if uid != record.obj["metadata"]["uid"]:
            raise refused(
                served.kind, served.group, name, [invalid("metadata.uid", uid, "field is immutable")]
            )
        return self._replace(record, served, review(patched) if review else patched, subresource, dry_run)

    def bind(self, namespace: str, name: str, node: str) -> Object:
        """Assign a pod to a node, as ``pods/binding`` does, and return it.

        Raises:
            ApiError: 409 when it is assigned or being deleted already, 404.
        """
        record = self.record("pods", namespace, name)
        pod = record.obj
        if pod["metadata"].get("deletionTimestamp"):
            raise conflict("pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
        if pod["spec"].get("nodeName"):
            raise conflict(
                "pods/binding", name, f"pod {name} is already assigned to node {pod['spec']['nodeName']!r}"
            )
        bound = strategies.bound_pod(pod, node, metadata.timestamp(self._clock()))
        return self._commit("MODIFIED", self.kind("pods"), bound, record).obj

    def delete(
        self, resource: str, namespace: str | None, name: str, *,
        grace_seconds: int | None = None, uid: str | None = None, propagation: str | None = None,
        version: str | None = None, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Delete an object, or mark it for deletion, and return its last state.

        A pod on a node is only marked (``deletionTimestamp``) until it is deleted again with ``grace_seconds=0``; an object with
        finalizers until the last one is gone. :meth:`find` tells whether it still exists.

        Args:
            resource: What to delete.
            namespace: Its namespace, None for cluster-scoped objects.
            name: Its name.
            grace_seconds: For pods: seconds between SIGTERM and SIGKILL; None for the pod's own.
            uid: Precondition on the object's identity.
            propagation: ``Background`` (default), ``Foreground`` or ``Orphan``: what becomes of its dependents.
            version: Precondition on the resource version.
            dry_run: Check everything, delete nothing.

        Raises:
            ApiError: 404; 409 when a precondition does not hold; 403 for what cannot be deleted.
        """
        record = self.record(resource, namespace, name)
        kind = self.kind(resource)
        meta = record.obj["metadata"]
        if uid and meta["uid"] != uid:
            raise conflict(
                resource,
                name,
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta['uid']}",
            )
        if version and meta["resourceVersion"] != version:
            raise conflict(
                resource, name,
                f"Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {meta['resourceVersion']}",
            )  # fmt: skip
        if resource == "namespaces" and name in _SYSTEM_NAMESPACES:
            raise denied(resource, name, "this namespace may not be deleted")
        marked = strategies.marked_for_deletion(kind, record.obj, grace_seconds, propagation, self._clock())
        if dry_run:
            return marked or record.obj
        if marked is None:
            return self._commit("DELETED", kind, record.obj, record).obj
        if marked is record.obj:
            return marked
        return self._commit("MODIFIED", kind, marked, record).obj

    def close(self) -> None:
        """End all watches and release the directory; nothing else may be called afterwards."""
        self._closed = True
        for collection in self._collections.values():
            collection.close()
        if self._journal is not None:
            self._journal.close()

    # -- inside -------------------------------------------------------------------------------------------------

    def _replace(
        self, record: Record, kind: Kind, obj: Object, subresource: str | None, dry_run: bool
    ) -> Object:
        old = record.obj
        name = old["metadata"]["name"]
        self._check_preconditions(kind, old, obj)
        strategy = strategies.strategy_of(kind)
        new = strategies.restore(kind, obj, old, subresource)
        new = strategy.prepare_update(kind, new, old, subresource)
        causes = metadata.check_update(kind, new, old) + strategy.validate_update(kind, new, old, subresource)
        if causes:
            raise refused(kind.kind, kind.group, name, causes)
        if new == old:
            return old
        new = strategies.with_generation(kind, new, old)
        if dry_run:
            return new
        if metadata.is_finished(new, old):
            return self._commit("DELETED", kind, new, record).obj
        return self._commit("MODIFIED", kind, new, record).obj

    def _check_preconditions(self, kind: Kind, old: Object, obj: Object) -> None:
        meta = obj.get("metadata") or {}
        name = old["metadata"]["name"]
        for field in ("name", "deletionTimestamp"):
            given = meta.get(field)
            if given and given != old["metadata"].get(field):
                cause = invalid(f"metadata.{field}", given, "field is immutable")
                raise refused(kind.kind, kind.group, name, [cause])
        version = meta.get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise conflict(
                kind.key, name,
                "the object has been modified; please apply your changes to the latest version and try again",
            )  # fmt: skip
        uid = meta.get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise conflict(
                kind.key, name,
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}",
            )  # fmt: skip

    def _check_namespace(self, resource: str, namespace: str, name: str) -> None:
        space = self.collection("namespaces").get("", namespace)
        if space is None:
            raise not_found("namespaces", namespace)
        if space.obj["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = Cause(
                "metadata.namespace", "NamespaceTerminating", f"namespace {namespace} is being terminated"
            )
            raise denied(resource, name, why, [cause])

    def _commit(self, type_: str, kind: Kind, obj: Object, previous: Record | None) -> Record:
        version = self._version + 1
        meta = {**obj["metadata"], "resourceVersion": str(version)}
        obj = {**obj, "metadata": meta}
        record = Record(obj, encode(obj), version)
        if self._journal is not None:
            try:
                self._journal.append(kind.key, type_, record.raw)
            except OSError as error:
                raise ApiError(507, f"the cluster's directory cannot be written: {error.strerror}") from None
        self._version = version
        change = Change(type_, record, previous)
        now = self._clock()
        self.collection(kind.key).apply(change, now)
        if now >= self._sweep_at:
            self._sweep(now)
        if type_ == "ADDED":
            self._uids[meta["uid"]] = (kind.key, meta.get("namespace", ""), meta["name"])
        elif type_ == "DELETED":
            self._uids.pop(meta["uid"], None)
        self._after(kind, change)
        return record

    def _sweep(self, now: datetime) -> None:
        """Shortens and packs every resource's history. Leases are renewed all the time, so this has its turn in a quiet cluster too."""
        self._sweep_at = now + _SWEEP_EVERY
        for collection in self._collections.values():
            collection.forget(now)

    def _after(self, kind: Kind, change: Change) -> None:
        obj = change.record.obj
        if kind.key == _DEFINITIONS:
            self._define(obj, change.type)
        elif kind.key == "namespaces" and change.type == "ADDED":
            account = {"metadata": {"name": "default"}}
            self.create("serviceaccounts", obj["metadata"]["name"], account)
        if self._observe(kind.key, change):
            self._schedule()
        if self._journal is not None and self._journal.wants_compaction():
            self.compact()

    def _observe(self, resource: str, change: Change) -> bool:
        due = self._collector.observe(resource, change)
        if resource in ("pods", "resourcequotas"):
            due = self._quotas.observe(resource, change) or due
        elif resource == "events":
            due = self._retention.observe(change, self._clock()) or due
        return due

    def _define(self, definition: Object, type_: str) -> None:
        kind = kind_of(definition)
        if type_ != "DELETED":
            self.kinds.add(kind)
            return
        self.kinds.remove(kind.key)
        gone = self._collections.pop(kind.key, None)
        if gone is not None:
            gone.close()

    def _schedule(self) -> None:
        if self._work_scheduled:
            return
        self._work_scheduled = True
        try:
            asyncio.get_running_loop().call_soon(self._work)
        except RuntimeError:
            # Without a loop (at start, in plain tests) what follows a write is done before anything else is.
            while self._work_once():
                pass
            self._work_scheduled = False

    def _work(self) -> None:
        self._work_scheduled = False
        if not self._closed and self._work_once():
            self._schedule()

    def _work_once(self) -> bool:
        self._collector.work()
        self._quotas.work()
        self._retention.work(self._clock())
        return self._collector.pending

    # -- persistence --------------------------------------------------------------------------------------------

    def compact(self) -> None:
        """Rewrite the journal so that it holds each object once."""
        if self._journal is not None:
            rows = (
                (key, record.raw)
                for key, collection in self._collections.items()
                for record in collection.records()
            )
            self._journal.compact(self._version, rows)

    def _load(self) -> None:
        if self._journal is not None:
            self._read_journal(self._journal)
        for collection in self._collections.values():
            collection.floor = self._version
        fresh = self.collection("namespaces").get("", "kube-system") is None
        for name in _SYSTEM_NAMESPACES:
            if self.collection("namespaces").get("", name) is None:
                self.create("namespaces", None, {"metadata": {"name": name}})
        if fresh:
            self.create(
                _LEASES, "default", {"metadata": {"name": OPERATORS_LEASE}, "spec": {"holderIdentity": ""}}
            )
        for key, collection in list(self._collections.items()):
            for record in sorted(collection.records(), key=lambda record: record.version):
                self._observe(key, Change("ADDED", record, None))
        self._schedule()
        if self._journal is not None:
            self.compact()

    def _read_journal(self, journal: Journal) -> None:
        self._version, rows = journal.load()
        # Definitions first: they say which of the other objects are served.
        rows.sort(key=lambda row: row[0] != _DEFINITIONS)
        for resource, raw in rows:
            obj = orjson.loads(raw)
            if resource == _DEFINITIONS:
                self.kinds.add(kind_of(obj))
            if self.kinds.get(resource) is None:
                continue
            meta = obj["metadata"]
            self.collection(resource).restore(Record(obj, raw, int(meta["resourceVersion"])))
            self._uids[meta["uid"]] = (resource, meta.get("namespace", ""), meta["name"])
