"""The verbs of resources over HTTP: get, list, create, update, patch, delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from limosa_sandbox.cluster import builtin, tables
from limosa_sandbox.cluster.errors import ApiError, invalid, refused, unsupported
from limosa_sandbox.cluster.kinds import Object
from limosa_sandbox.cluster.paging import Pages
from limosa_sandbox.cluster.records import encode
from limosa_sandbox.cluster.requests import (
    Form,
    Target,
    decode,
    decode_object,
    flag,
    integer,
    is_dry_run,
    parse_accept,
)
from limosa_sandbox.cluster.storage import Records, Storage, utc_now
from limosa_sandbox.cluster.views import View

PATCH_KINDS = {
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "json",
    "application/strategic-merge-patch+json": "strategic",
}
_RETURNED_WHEN_DELETED = ("pods", "serviceaccounts", "resourcequotas")
_UNCONDITIONAL = (
    "pods",
    "configmaps",
    "secrets",
    "events",
    "nodes",
    "namespaces",
    "serviceaccounts",
    "resourcequotas",
)


@dataclass(frozen=True)
class Reply:
    """What is sent back: status code, JSON, and warnings for people."""

    code: int
    body: bytes
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """One request on a resource.

    Attributes:
        target: What the path names.
        view: How the resource is served.
        query: Query parameters.
        accept: Accept header.
        content_type: Media type of the body, without parameters.
        body: The body.
    """

    target: Target
    view: View
    query: Mapping[str, str]
    accept: str | None
    content_type: str
    body: bytes

    @property
    def key(self) -> str:
        """The resource's name in the storage."""
        return self.view.kind.key

    def form(self) -> Form:
        """Return how the client wants objects."""
        return parse_accept(self.accept, self.query)


class Resources:
    """Serves the verbs on one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._pages = Pages()

    def get(self, call: Call) -> Reply:
        """Serve one object."""
        target, form = call.target, call.form()
        record = self._storage.record(call.key, target.namespace, target.name)
        if form.shape == "object":
            return Reply(200, call.view.raw(record))
        return Reply(200, encode(self._shaped(call, form, record.obj)))

    def list(self, call: Call) -> Reply:
        """Serve a collection, whole or a page of it."""
        form, query = call.form(), call.query
        limit = integer(query, "limit") or 0
        token = query.get("continue")
        if token:
            records, version, following, left = self._pages.next(token, limit)
        else:
            self._check_exact(query)
            found, version = self._storage.records(
                call.key, call.target.namespace or None,
                labels=query.get("labelSelector"), fields=query.get("fieldSelector"),
            )  # fmt: skip
            records, following, left = self._pages.first(found, version, limit)
        meta: Object = {"resourceVersion": str(version)}
        if following:
            meta["continue"] = following
            if not query.get("labelSelector") and not query.get("fieldSelector"):
                meta["remainingItemCount"] = left
        return Reply(200, self._list_body(call, form, records, meta))

    def create(self, call: Call) -> Reply:
        """Serve a create."""
        obj, warnings = self._received(call, decode_object(call.body))
        meta = obj.get("metadata") or {}
        if meta.get("resourceVersion"):
            raise ApiError(400, "resourceVersion should not be set on objects to be created")
        created = self._storage.create(
            call.key, call.target.namespace, obj, dry_run=is_dry_run(call.query)
        )  # fmt: skip
        return self._reply(201, call, created, warnings)

    def update(self, call: Call) -> Reply:
        """Serve a replacement."""
        target = call.target
        obj, warnings = self._received(call, decode_object(call.body))
        meta = obj.get("metadata") or {}
        if meta.get("name") != target.name:
            raise ApiError(
                400, f"the name of the object ({meta.get('name', '')}) does not match the name on the URL ({target.name})"
            )  # fmt: skip
        if meta.get("namespace") not in (None, "", target.namespace):
            raise ApiError(
                400, f"the namespace of the object ({meta['namespace']}) does not match the namespace on the URL ({target.namespace})"
            )  # fmt: skip
        if not meta.get("resourceVersion") and call.key not in _UNCONDITIONAL:
            self._storage.record(call.key, target.namespace, target.name)
            cause = invalid("metadata.resourceVersion", "0x0", "must be specified for an update")
            raise refused(call.view.kind.kind, call.view.kind.group, target.name, [cause])
        updated = self._storage.update(
            call.key, target.namespace, target.name, obj,
            subresource=target.subresource or None, dry_run=is_dry_run(call.query),
        )  # fmt: skip
        return self._reply(200, call, updated, warnings)

    def patch(self, call: Call) -> Reply:
        """Serve a patch."""
        how = PATCH_KINDS.get(call.content_type)
        if how is None:
            raise ApiError(415, _unknown_patch(call.content_type))
        target = call.target
        collected: list[str] = []

        def review(patched: Object) -> Object:
            obj, warnings = self._received(call, call.view.show(patched))
            collected.extend(warnings)
            return obj

        patched = self._storage.patch(
            call.key, target.namespace, target.name, decode(call.body), kind=how,
            subresource=target.subresource or None, dry_run=is_dry_run(call.query), review=review,
        )  # fmt: skip
        return self._reply(200, call, patched, tuple(collected))

    def delete(self, call: Call) -> Reply:
        """Serve the deletion of one object."""
        target = call.target
        before = self._storage.record(call.key, target.namespace, target.name).obj
        deleted = self._delete_one(call, target.namespace, target.name)
        gone = self._storage.find(before["metadata"]["uid"]) is None
        if not gone or call.key in _RETURNED_WHEN_DELETED:
            return self._reply(200, call, deleted, ())
        details = {"name": target.name, "kind": target.plural, "uid": before["metadata"]["uid"]}
        if target.group:
            details["group"] = target.group
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }
        return Reply(200, encode(status))

    def delete_collection(self, call: Call) -> Reply:
        """Serve the deletion of every matching object."""
        found, version = self._storage.records(
            call.key, call.target.namespace or None,
            labels=call.query.get("labelSelector"), fields=call.query.get("fieldSelector"),
        )  # fmt: skip
        for record in found:
            self._delete_one(call, record.namespace, record.name)
        body = self._list_body(call, call.form(), found, {"resourceVersion": str(version)})
        return Reply(200, body)

    # -- inside -------------------------------------------------------------------------------------------------

    def _received(self, call: Call, obj: Object) -> tuple[Object, tuple[str, ...]]:
        """Return a client's object, decoded and as stored, and warnings about what was dropped."""
        view = call.view
        _check_type(view, obj)
        schema = view.schema()
        warnings: tuple[str, ...] = ()
        mode = call.query.get("fieldValidation", "")
        if mode not in ("", "Ignore", "Warn", "Strict"):
            raise ApiError(
                400,
                f'fieldValidation: Unsupported value: "{mode}": supported values: "", "Ignore", "Strict", "Warn"',
            )
        if schema is not None and mode in ("Strict", "Warn"):
            unknown = [f'unknown field "{path}"' for path in schema.unknown(obj)]
            if unknown and mode == "Strict":
                text = (
                    f'{view.kind.kind} in version "{view.version}" cannot be handled as a {view.kind.kind}: '
                )
                raise ApiError(400, text + "strict decoding error: " + ", ".join(unknown))
            warnings = tuple(unknown)
        if schema is not None and not view.kind.custom:
            obj = builtin.decode(schema, obj)
        elif isinstance(obj.get("metadata"), dict):
            obj = {**obj, "metadata": builtin.decode(builtin.object_meta(), obj["metadata"])}
        return view.take(obj), warnings

    def _delete_one(self, call: Call, namespace: str, name: str) -> Object:
        options = decode_object(call.body) if call.body else {}
        preconditions = options.get("preconditions") or {}
        grace = options.get("gracePeriodSeconds")
        if grace is None:
            grace = integer(call.query, "gracePeriodSeconds")
        return self._storage.delete(
            call.key, namespace, name,
            grace_seconds=grace, uid=preconditions.get("uid"), version=preconditions.get("resourceVersion"),
            propagation=_propagation(call, options), dry_run=is_dry_run(call.query) or options.get("dryRun") == ["All"],
        )  # fmt: skip

    def _check_exact(self, query: Mapping[str, str]) -> None:
        wanted = integer(query, "resourceVersion")
        if wanted is None or wanted == 0:
            return
        if wanted > self._storage.version:
            raise ApiError(
                504, f"Timeout: Too large resource version: {wanted}, current: {self._storage.version}"
            )
        if query.get("resourceVersionMatch") == "Exact" and wanted != self._storage.version:
            raise ApiError(410, "The resourceVersion for the provided list is too old.")

    def _reply(self, code: int, call: Call, obj: Object, warnings: tuple[str, ...]) -> Reply:
        form = call.form()
        if form.shape == "object" and call.view.outward is None:
            record = self._storage.collection(call.key).get(
                obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
            )
            if record is not None and record.obj is obj:
                return Reply(code, record.raw, warnings)
        return Reply(code, encode(self._shaped(call, form, obj)), warnings)

    def _shaped(self, call: Call, form: Form, obj: Object) -> Object:
        if form.shape == "table":
            meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            return tables.table(
                call.view.kind, call.view.version, [obj], utc_now(), include=form.include, meta=meta
            )
        return tables.partial(obj) if form.shape == "partial" else call.view.show(obj)

    def _list_body(self, call: Call, form: Form, records: Records, meta: Object) -> bytes:
        view = call.view
        if form.shape == "table":
            objects = [record.obj for record in records]
            return encode(
                tables.table(view.kind, view.version, objects, utc_now(), include=form.include, meta=meta)
            )
        if form.shape == "partial":
            items = [tables.partial(record.obj) for record in records]
            kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
            return encode({"kind": kind, "apiVersion": version, "metadata": meta, "items": items})
        head = encode({"kind": view.kind.list_name, "apiVersion": view.api_version, "metadata": meta})
        return head[:-1] + b',"items":[' + b",".join([view.raw(record) for record in records]) + b"]}"


def _check_type(view: View, obj: Object) -> None:
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if not kind and not version and not view.kind.custom:
        return
    if not kind:
        raise ApiError(400, "Object 'Kind' is missing")
    if not version:
        raise ApiError(400, "Object 'apiVersion' is missing")
    if version != view.api_version:
        raise ApiError(
            400, f"the API version in the data ({version}) does not match the expected API version ({view.api_version})"
        )  # fmt: skip
    if kind != view.kind.kind:
        raise ApiError(400, f"{kind} in version {version!r} cannot be handled as a {view.kind.kind}")


def _propagation(call: Call, options: Object) -> str | None:
    policy = options.get("propagationPolicy") or call.query.get("propagationPolicy")
    orphan = options.get("orphanDependents")
    if policy is None and (orphan or flag(call.query, "orphanDependents")):
        return "Orphan"
    if policy not in (None, "Background", "Foreground", "Orphan"):
        cause = unsupported("propagationPolicy", policy, ["Background", "Foreground", "Orphan"])
        raise refused("DeleteOptions", "meta.k8s.io", "", [cause])
    return policy


def _unknown_patch(content_type: str) -> str:
    if content_type in ("application/apply-patch+yaml", "application/apply-patch+cbor"):
        return "server-side apply is not served by the sandbox; use client-side apply (kubectl apply --server-side=false)"
    return (
        f"the body of the request was in an unknown format ({content_type or 'none given'}) - accepted media types include: "
        + ", ".join(PATCH_KINDS)
    )
