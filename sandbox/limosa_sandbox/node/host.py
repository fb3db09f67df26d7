"""What all pods of the node share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.storage import Storage
from limosa_sandbox.node.devices import Devices
from limosa_sandbox.node.environment import decoded
from limosa_sandbox.node.events import EventRecorder
from limosa_sandbox.node.memory import MemoryGuard
from limosa_sandbox.node.settings import NodeSettings
from limosa_sandbox.node.zygotes import Zygotes

_RESOURCES = {"secret": "secrets", "configmap": "configmaps"}


@dataclass(frozen=True)
class Host:
    """The means of this node.

    Attributes:
        storage: The cluster.
        settings: How the node behaves.
        capacity: What it has, by resource.
        zygotes: What starts processes.
        devices: Its GPUs.
        memory: What enforces memory limits.
        events: The kubelet's events.
    """

    storage: Storage
    settings: NodeSettings
    capacity: Mapping[str, Fraction]
    zygotes: Zygotes
    devices: Devices
    memory: MemoryGuard
    events: EventRecorder

    def directory(self, uid: str) -> Path:
        """Return the folder of a pod's files."""
        return self.settings.directory / "pods" / uid

    def objects(self, namespace: str) -> NamespaceObjects:
        """Return the reader of a namespace's secrets and config maps."""
        return NamespaceObjects(self.storage, namespace)


@dataclass(frozen=True)
class NamespaceObjects:
    """Reads secrets and config maps of one namespace.

    Attributes:
        storage: The cluster.
        namespace: Where they are.
    """

    storage: Storage
    namespace: str

    def data(self, kind: str, name: str) -> dict[str, bytes] | None:
        """Return the data of a ``secret`` or ``configmap``, None when there is no such object."""
        try:
            return decoded(self.storage.get(_RESOURCES[kind], self.namespace, name), kind)
        except ApiError:
            return None
