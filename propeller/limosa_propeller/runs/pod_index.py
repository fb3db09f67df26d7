"""Pods as last seen, by the WorkflowRun that owns them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from limosa_engine.pods import PodView
from limosa_propeller.pods.view import PodIdentity, identity_of, view_of

TOMBSTONES = 10_000
"""Deleted pods remembered, so that a list read before the deletion does not bring one back."""


class PodEntry(NamedTuple):
    """One pod."""

    namespace: str
    name: str
    uid: str
    version: int
    """resourceVersion."""
    identity: PodIdentity
    view: PodView


class PodIndex:
    """What the watch streams and lists said, each object's latest version winning."""

    def __init__(self) -> None:
        self._by_uid: dict[str, PodEntry] = {}
        self._by_owner: dict[str, dict[str, PodEntry]] = {}
        self._tombstones: dict[str, None] = {}

    def observe(self, pod: dict[str, Any]) -> PodEntry | None:
        """Takes a pod's state. None when it is old news, or not a launch of ours."""
        metadata = pod["metadata"]
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        known = self._by_uid.get(uid)
        if uid in self._tombstones or (known is not None and known.version >= version):
            return None
        identity = known.identity if known is not None else identity_of(pod)
        if identity is None:
            return None
        entry = PodEntry(metadata["namespace"], metadata["name"], uid, version, identity, view_of(pod))
        self._by_uid[uid] = entry
        self._by_owner.setdefault(identity.owner_uid, {})[uid] = entry
        return entry

    def forget(self, uid: str) -> PodEntry | None:
        """The pod is gone. None when it was not known."""
        self._tombstones[uid] = None
        if len(self._tombstones) > TOMBSTONES:
            del self._tombstones[next(iter(self._tombstones))]
        entry = self._by_uid.pop(uid, None)
        if entry is not None:
            siblings = self._by_owner[entry.identity.owner_uid]
            del siblings[uid]
            if not siblings:
                del self._by_owner[entry.identity.owner_uid]
        return entry

    def missing_from(self, uids: set[str], version: int) -> list[PodEntry]:
        """Known pods that a complete list, true at `version`, does not have: they are gone."""
        return [entry for uid, entry in self._by_uid.items() if uid not in uids and entry.version <= version]

    def owned_by(self, owner_uid: str) -> Iterator[PodEntry]:
        """Pods of one WorkflowRun."""
        yield from list(self._by_owner.get(owner_uid, {}).values())

    def __contains__(self, uid: str) -> bool:
        return uid in self._by_uid

    def __len__(self) -> int:
        return len(self._by_uid)
