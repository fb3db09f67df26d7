"""Watches over HTTP: a stream of changes as JSON lines."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from limosa_sandbox.cluster import tables
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Object
from limosa_sandbox.cluster.records import Change, Watch, encode
from limosa_sandbox.cluster.requests import Form, flag, integer
from limosa_sandbox.cluster.resources import Call
from limosa_sandbox.cluster.storage import Storage, utc_now

_BOOKMARK_SECONDS = 55.0
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


async def stream(storage: Storage, call: Call) -> AsyncIterator[bytes]:
    """Yield the lines of a watch, several at a time when changes come fast, until its time is over.

    A resource version that is too old ends the stream with an ERROR line (410), as a real server does.

    Raises:
        ApiError: 400 for a bad selector or parameter, 504 for a version of the future; before the first line only.
    """
    query, form = call.query, call.form()
    since = integer(query, "resourceVersion") or None
    initial = flag(query, "sendInitialEvents")
    if initial and query.get("resourceVersionMatch") != "NotOlderThan":
        raise ApiError(
            422,
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
    matcher = storage.matcher(call.key, query.get("labelSelector"), query.get("fieldSelector"))
    seconds = integer(query, "timeoutSeconds")
    try:
        watch = storage.watch(
            call.key, None if initial else since, namespace=call.target.namespace or None, matcher=matcher
        )  # fmt: skip
    except ApiError as error:
        if error.code != 410:
            raise
        yield _line("ERROR", error.status())
        return
    bookmarks = flag(query, "allowWatchBookmarks")
    ended = _bookmark(call, form, storage.version, initial=True) if initial and bookmarks else b""
    async for lines in _lines(storage, call, form, watch, seconds, bookmarks, ended):
        yield lines


async def _lines(
    storage: Storage, call: Call, form: Form, watch: Watch, seconds: int | None, bookmarks: bool, ended: bytes
) -> AsyncIterator[bytes]:  # fmt: skip
    until = time.monotonic() + seconds if seconds else None
    headed = True
    try:
        # An empty piece lets the response start before anything happens.
        yield b""
        if ended:
            yield b"".join(_shown(call, form, change, True) for change in watch.take()) + ended
        while True:
            wait = _BOOKMARK_SECONDS if until is None else min(_BOOKMARK_SECONDS, until - time.monotonic())
            changes = await watch.changes(wait) if wait > 0 else []
            if changes:
                lines = []
                for change in changes:
                    lines.append(_shown(call, form, change, headed))
                    headed = False
                yield b"".join(lines)
            elif watch.closed or (until is not None and time.monotonic() >= until):
                return
            elif bookmarks:
                yield _bookmark(call, form, storage.version)
    finally:
        watch.close()


def _shown(call: Call, form: Form, change: Change, headed: bool) -> bytes:
    if form.shape == "object" and call.view.outward is None:
        return change.wire()
    obj = change.record.obj
    if form.shape == "table":
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        kind, version = call.view.kind, call.view.version
        shown = tables.table(kind, version, [obj], utc_now(), include=form.include, headed=headed, meta=meta)
    else:
        shown = tables.partial(obj) if form.shape == "partial" else call.view.show(obj)
    return _line(change.type, shown)


def _bookmark(call: Call, form: Form, version: int, initial: bool = False) -> bytes:
    meta: Object = {"resourceVersion": str(version), "creationTimestamp": None}
    if initial:
        meta["annotations"] = {_INITIAL_EVENTS_END: "true"}
    obj: Object = {"kind": call.view.kind.kind, "apiVersion": call.view.api_version, "metadata": meta}
    if form.shape == "table":
        obj = {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "columnDefinitions": None,
            "rows": [],
        }
    elif form.shape == "partial":
        obj = tables.partial(obj)
    return _line("BOOKMARK", obj)


def _line(type_: str, obj: Object) -> bytes:
    return b'{"type":"' + type_.encode() + b'","object":' + encode(obj) + b"}\n"
