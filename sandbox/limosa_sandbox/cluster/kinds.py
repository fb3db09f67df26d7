"""Kinds: which resources the API serves, under which names, and how each is shown in a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limosa_sandbox.cluster.structural import Schema

_ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Column:
    """One ``additionalPrinterColumns`` entry of a custom resource.

    Attributes:
        name: Heading.
        type: ``string``, ``integer``, ``number``, ``boolean`` or ``date``.
        path: JSON path below the object, such as ``.status.phase``.
        priority: 0 is always shown, greater ones only with ``-o wide``.
        description: What the column tells.
        format: Optional OpenAPI format of the value.
    """

    name: str
    type: str
    path: str
    priority: int = 0
    description: str = ""
    format: str = ""


@dataclass(frozen=True)
class Kind:
    """One stored resource.

    Attributes:
        group: API group, empty for the core group.
        version: The version objects are stored in.
        plural: Resource name in URLs.
        kind: Name in objects.
        namespaced: Whether objects live in a namespace.
        short_names: Abbreviations kubectl accepts.
        categories: Groupings such as ``all``.
        subresources: Names below an object that are served, such as ``status``.
        versions: Every served version, the preferred one first.
        schemas: Structural schema of each version; empty for built-in kinds.
        columns: Printer columns of each version; empty for built-in kinds.
        selectable: JSON paths a field selector may use besides the metadata.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    singular: str = ""
    list_kind: str = ""
    versions: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL_VERBS
    schemas: dict[str, Schema] = field(default_factory=dict)
    columns: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    selectable: tuple[str, ...] = ()
    custom: bool = False

    @property
    def key(self) -> str:
        """The resource's one name in the storage: ``plural`` or ``plural.group``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """``group/version`` as objects state it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular_name(self) -> str:
        """Singular name; the lower-case kind unless the definition says otherwise."""
        return self.singular or self.kind.lower()

    @property
    def list_name(self) -> str:
        """Kind of a list of these objects."""
        return self.list_kind or f"{self.kind}List"

    @property
    def served_versions(self) -> tuple[str, ...]:
        """Every version clients may use, the preferred one first."""
        return self.versions or (self.version,)

    def has_status(self) -> bool:
        """Tell whether ``status`` is a subresource of its own."""
        return "status" in self.subresources


PODS = Kind(
    "", "v1", "pods", "Pod", True, ("po",), ("all",), ("status", "log", "binding", "eviction"),
    selectable=(
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
)  # fmt: skip
NAMESPACES = Kind(
    "", "v1", "namespaces", "Namespace", False, ("ns",), (), ("status",), selectable=("status.phase",),
    verbs=tuple(verb for verb in _ALL_VERBS if verb != "deletecollection"),
)  # fmt: skip
EVENTS = Kind(
    "", "v1", "events", "Event", True, ("ev",),
    selectable=(
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
        "reason", "reportingComponent", "source", "type",
    ),
)  # fmt: skip
NODES = Kind("", "v1", "nodes", "Node", False, ("no",), (), ("status",), selectable=("spec.unschedulable",))
SECRETS = Kind("", "v1", "secrets", "Secret", True, selectable=("type",))
CONFIG_MAPS = Kind("", "v1", "configmaps", "ConfigMap", True, ("cm",))
POD_TEMPLATES = Kind("", "v1", "podtemplates", "PodTemplate", True)
SERVICE_ACCOUNTS = Kind("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",))
RESOURCE_QUOTAS = Kind("", "v1", "resourcequotas", "ResourceQuota", True, ("quota",), (), ("status",))
LEASES = Kind("coordination.k8s.io", "v1", "leases", "Lease", True)
CRDS = Kind(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False,
    ("crd", "crds"), ("api-extensions",), ("status",),
)  # fmt: skip

BUILT_IN = (
    PODS,
    NAMESPACES,
    EVENTS,
    NODES,
    SECRETS,
    CONFIG_MAPS,
    POD_TEMPLATES,
    SERVICE_ACCOUNTS,
    RESOURCE_QUOTAS,
    LEASES,
    CRDS,
)


class Registry:
    """The kinds served now: the built-in ones and those of established definitions."""

    def __init__(self) -> None:
        self._by_key: dict[str, Kind] = {kind.key: kind for kind in BUILT_IN}
        self.version = 0

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_key.values())

    def get(self, key: str) -> Kind | None:
        """Return the kind stored under ``plural[.group]``, or None."""
        return self._by_key.get(key)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind that serves a URL's group, version and resource, or None."""
        kind = self._by_key.get(f"{plural}.{group}" if group else plural)
        return kind if kind is not None and version in kind.served_versions else None

    def by_object(self, api_version: str, name: str) -> Kind | None:
        """Return the kind that an object (or an owner reference) with this ``apiVersion`` and ``kind`` names."""
        group = api_version.rpartition("/")[0]
        for kind in self._by_key.values():
            if kind.kind == name and kind.group == group:
                return kind
        return None

    def add(self, kind: Kind) -> None:
        """Serve a custom kind, or its new definition."""
        self._by_key[kind.key] = kind
        self.version += 1

    def remove(self, key: str) -> None:
        """Stop serving a custom kind."""
        if self._by_key.pop(key, None) is not None:
            self.version += 1


Object = dict[str, Any]
"""A Kubernetes object as decoded JSON."""
