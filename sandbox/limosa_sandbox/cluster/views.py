"""Views: one stored resource as a group and version serve it.

Most resources are served as they are stored, so their bytes go out unchanged. Two are not: ``events.k8s.io`` is another shape of the
same events, and a custom resource may be served in versions it is not stored in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limosa_sandbox.cluster import builtin
from limosa_sandbox.cluster.kinds import EVENTS, Kind, Object, Registry
from limosa_sandbox.cluster.records import Record, encode
from limosa_sandbox.cluster.structural import Schema

EVENTS_GROUP = "events.k8s.io"
_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}


@dataclass(frozen=True)
class View:
    """How a resource is served.

    Attributes:
        kind: What is stored.
        group: API group of the URL.
        version: API version of the URL.
        outward: Turns a stored object into the served one; None when they are the same.
        inward: The other way.
    """

    kind: Kind
    group: str
    version: str
    outward: Callable[[Object], Object] | None = None
    inward: Callable[[Object], Object] | None = None

    @property
    def api_version(self) -> str:
        """``group/version`` as served."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def show(self, obj: Object) -> Object:
        """Return a stored object as served."""
        return self.outward(obj) if self.outward else obj

    def raw(self, record: Record) -> bytes:
        """Return a stored version as served JSON."""
        return encode(self.outward(record.obj)) if self.outward else record.raw

    def take(self, obj: Object) -> Object:
        """Return a client's object as it is stored."""
        return self.inward(obj) if self.inward else obj

    def schema(self) -> Schema | None:
        """Return the schema of served objects."""
        if self.kind.custom:
            return self.kind.schemas.get(self.version)
        return builtin.named_schema(self.group, self.version, self.kind.kind)


def find_view(kinds: Registry, group: str, version: str, plural: str) -> View | None:
    """Return the view that serves a URL's group, version and resource, None when nothing does."""
    if group == EVENTS_GROUP:
        return _NEW_EVENTS if (version, plural) == ("v1", "events") else None
    kind = kinds.find(group, version, plural)
    if kind is None:
        return None
    if version == kind.version:
        return View(kind, group, version)
    return View(kind, group, version, _renamed(f"{group}/{version}"), _renamed(kind.api_version))


def _renamed(api_version: str) -> Callable[[Object], Object]:
    return lambda obj: {**obj, "apiVersion": api_version}


def _event_outward(obj: Object) -> Object:
    shown: Object = {_EVENT_FIELDS.get(key, key): value for key, value in obj.items()}
    shown["apiVersion"] = f"{EVENTS_GROUP}/v1"
    return shown


def _event_inward(obj: Object) -> Object:
    back = {new: old for old, new in _EVENT_FIELDS.items()}
    stored: dict[str, Any] = {back.get(key, key): value for key, value in obj.items()}
    stored["apiVersion"] = "v1"
    stored.setdefault("involvedObject", {})
    return stored


_NEW_EVENTS = View(EVENTS, EVENTS_GROUP, "v1", _event_outward, _event_inward)
