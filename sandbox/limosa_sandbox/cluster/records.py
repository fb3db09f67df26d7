"""Records: stored versions of objects, the changes between them, and who watches.

A version is encoded once; lists and every watcher share its bytes. What is only kept for watches that start late is kept as these
bytes alone: as dicts, the same objects take three times as much.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson

from limosa_sandbox.cluster.kinds import Object
from limosa_sandbox.cluster.selectors import Matcher

HISTORY = 8192
"""Most changes of one resource that a watch may start behind; older starts are answered with 410."""
FRESH = timedelta(seconds=75)
"""Changes older than this are forgotten, as a real API server's watch cache may: objects of the past are large."""
ALWAYS_KEPT = 256
"""Changes of one resource that are remembered however old they are, so that a quiet one answers every watch."""
UNPACKED = timedelta(seconds=5)
"""Changes younger than this are kept as dicts too: whoever watches has not read them yet."""
MOST_UNPACKED = 1024
"""Of one resource, in a burst."""

_BACKLOG = 50_000


class Record:
    """One version of one object; never changed after it was made.

    Attributes:
        raw: The object as JSON.
        version: Its resource version.
        name: Its name.
        namespace: Its namespace, empty for cluster-scoped ones.
    """

    __slots__ = ("_obj", "name", "namespace", "raw", "version")

    def __init__(self, obj: Object, raw: bytes, version: int) -> None:
        self._obj: Object | None = obj
        self.raw = raw
        self.version = version
        self.name = str(obj["metadata"]["name"])
        self.namespace = str(obj["metadata"].get("namespace") or "")

    @property
    def obj(self) -> Object:
        """The object; of a packed record made anew each time."""
        if self._obj is not None:
            return self._obj
        found: Object = orjson.loads(self.raw)
        return found

    @property
    def packed(self) -> bool:
        """Whether only its bytes are kept."""
        return self._obj is None

    def pack(self) -> None:
        """Keep only the bytes: it will hardly be read again."""
        self._obj = None


class Change:
    """One step of the history: an object was added, modified or deleted.

    Attributes:
        type: ``ADDED``, ``MODIFIED`` or ``DELETED``.
        record: The version after it (for ``DELETED`` the last one, with the deletion's resource version).
        previous: The version before it, None for ``ADDED``.
    """

    __slots__ = ("_wire", "previous", "record", "type")

    def __init__(self, type_: str, record: Record, previous: Record | None) -> None:
        self.type = type_
        self.record = record
        self.previous = previous
        self._wire: bytes | None = None

    def wire(self) -> bytes:
        """Return the line a JSON watch sends for this change."""
        if self._wire is None:
            self._wire = b'{"type":"' + self.type.encode() + b'","object":' + self.record.raw + b"}\n"
        return self._wire

    def pack(self, current: Record | None) -> None:
        """Keep as little as possible for a watch that may yet start before it; `current` stays as it is."""
        self._wire = None
        for record in (self.record, self.previous):
            if record is not None and record is not current:
                record.pack()


class Watch:
    """A stream of changes of one resource, in order, without gaps.

    Iterate it for ``(type, object)`` pairs, or await :meth:`changes` for all that is pending. It ends when it is closed, or when
    its reader falls too far behind (``overflowed``): start anew from a list then.
    """

    def __init__(self, collection: Collection, namespace: str | None, matcher: Matcher | None) -> None:
        self._collection = collection
        self._namespace = namespace
        self._matcher = matcher
        self._pending: deque[Change] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False
        self.overflowed = False

    def push(self, change: Change) -> None:
        """Take one change, if it concerns this watch (called by the collection)."""
        if self._namespace and change.record.namespace != self._namespace:
            return
        selected = change if self._matcher is None else _select(change, self._matcher)
        if selected is None:
            return
        if len(self._pending) >= _BACKLOG:
            self.overflowed = True
            self.close()
            return
        self._pending.append(selected)
        self._wake()

    async def changes(self, timeout: float | None = None) -> list[Change]:
        """Wait for changes and return all pending ones; empty after ``timeout`` seconds or when closed."""
        if not self._pending and not self.closed:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(self._waiter, timeout)
            except asyncio.TimeoutError:
                return []
            finally:
                self._waiter = None
        return self.take()

    def take(self) -> list[Change]:
        """Return all pending changes without waiting."""
        pending = list(self._pending)
        self._pending.clear()
        return pending

    def close(self) -> None:
        """End the stream; what is pending can still be read."""
        self.closed = True
        self._collection.watches.pop(self, None)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> tuple[str, Object]:
        while not self._pending:
            if self.closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        change = self._pending.popleft()
        return change.type, change.record.obj


def _select(change: Change, matcher: Matcher) -> Change | None:
    """Return the change as a watcher of the matching objects sees it: entering is ADDED, leaving is DELETED."""
    before = change.previous is not None and matcher(change.previous.obj)
    after = change.type != "DELETED" and matcher(change.record.obj)
    if before and after:
        return change
    if after:
        return change if change.type == "ADDED" else Change("ADDED", change.record, None)
    if before:
        return change if change.type == "DELETED" else Change("DELETED", change.record, change.previous)
    return None


class Collection:
    """All objects of one resource, their recent history and their watches.

    Args:
        floor: Initial value of the attribute.
        rarely_read: Whether current versions are kept packed, too.

    Attributes:
        floor: Resource version from which the history is complete: a watch may start at it or later.
    """

    def __init__(self, floor: int, rarely_read: bool = False) -> None:
        self._rarely_read = rarely_read
        self._namespaces: dict[str, dict[str, Record]] = {}
        self._history: deque[tuple[datetime, Change]] = deque()
        self._unpacked: deque[tuple[datetime, Change]] = deque()
        self.watches: dict[Watch, None] = {}
        self.floor = floor

    def __len__(self) -> int:
        return sum(len(names) for names in self._namespaces.values())

    def get(self, namespace: str, name: str) -> Record | None:
        """Return an object's current version, or None."""
        names = self._namespaces.get(namespace)
        return names.get(name) if names else None

    def records(self, namespace: str | None = None) -> Iterator[Record]:
        """Yield current versions ordered by namespace and name, of one namespace or of all."""
        for key in [namespace] if namespace else sorted(self._namespaces):
            names = self._namespaces.get(key)
            if names:
                yield from [names[name] for name in sorted(names)]

    def restore(self, record: Record) -> None:
        """Put a version in place without telling anyone (at start)."""
        if self._rarely_read:
            record.pack()
        self._namespaces.setdefault(record.namespace, {})[record.name] = record

    def drop(self, namespace: str, name: str) -> None:
        """Take an object out without telling anyone (at start)."""
        names = self._namespaces.get(namespace)
        if names and names.pop(name, None) and not names:
            del self._namespaces[namespace]

    def apply(self, change: Change, now: datetime) -> None:
        """Make a change current, remember it, and hand it to the watches."""
        if change.type == "DELETED":
            self.drop(change.record.namespace, change.record.name)
        else:
            self.restore(change.record)
        self._history.append((now, change))
        self._unpacked.append((now, change))
        if len(self._unpacked) > MOST_UNPACKED:
            self._pack_oldest()
        if len(self._history) > HISTORY:
            self._forget_oldest()
        for watch in tuple(self.watches):
            watch.push(change)

    def forget(self, now: datetime) -> None:
        """Drop what is too old of the history, and pack the rest of it but the newest."""
        while self._unpacked and now - self._unpacked[0][0] > UNPACKED:
            self._pack_oldest()
        while len(self._history) > ALWAYS_KEPT and now - self._history[0][0] > FRESH:
            self._forget_oldest()

    def _pack_oldest(self) -> None:
        change = self._unpacked.popleft()[1]
        change.pack(self.get(change.record.namespace, change.record.name))

    def _forget_oldest(self) -> None:
        self.floor = self._history.popleft()[1].record.version

    def watch(self, since: int | None, namespace: str | None, matcher: Matcher | None) -> Watch | None:
        """Open a watch after version ``since`` (None: everything there is now first); None when that is too long ago."""
        if since is not None and since < self.floor:
            return None
        watch = Watch(self, namespace, matcher)
        if since is None:
            for record in self.records(namespace):
                watch.push(Change("ADDED", record, None))
        else:
            for _, change in self._history:
                if change.record.version > since:
                    watch.push(change)
        self.watches[watch] = None
        return watch

    def close(self) -> None:
        """End every watch."""
        for watch in tuple(self.watches):
            watch.close()


def encode(obj: Any) -> bytes:
    """Return an object as JSON."""
    return orjson.dumps(obj)
