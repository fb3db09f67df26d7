"""What every driver shares."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Protocol

from limosa_engine.settings import EngineSettings
from limosa_idl.admin.v1alpha1.admin_pb2 import (
    LaunchChildrenRequest,
    LaunchChildrenResponse,
    LookupCacheRequest,
    LookupCacheResponse,
    StoreCacheRequest,
)
from limosa_idl.run.v1alpha1.run_pb2 import Snapshot
from limosa_model import names
from limosa_propeller.clock import Clock
from limosa_propeller.kube.pace import Pace
from limosa_propeller.kube.verbs import Resource, Verbs
from limosa_propeller.metrics import Metrics
from limosa_propeller.namespaces import Namespaces
from limosa_propeller.pod_templates import PodTemplates
from limosa_propeller.runs.capacity import Capacity
from limosa_propeller.runs.closures import Closures
from limosa_propeller.runs.division import Division
from limosa_propeller.runs.removals import Removals
from limosa_propeller.runs.status_writer import Turns
from limosa_propeller.secrets import TaskSecrets
from limosa_propeller.settings import OperatorSettings
from limosa_propeller.store_access import StoreAccess
from limosa_propeller.timers import Timers

NOTICES_AT_A_TIME = 4
"""Kubernetes Events that are being written: nobody waits for them, and a burst of runs would put hundreds before its pods."""
OPENINGS_AT_A_TIME = 8
"""Runs that are opened in a row before others have their turn."""
RUNS = Resource(names.GROUP, names.VERSION, names.PLURAL)


class Cache(Protocol):
    """Who knows results of other runs."""

    async def lookup(self, lookup: LookupCacheRequest.Lookup) -> LookupCacheResponse.Answer | None:
        """The answer, or None where there was none in time."""
        ...

    def tell(self, result: StoreCacheRequest.Result) -> None:
        """Takes a result, or word of a reservation; it is told when admin is there."""
        ...


class Children(Protocol):
    """Who has child runs made."""

    def follow(
        self,
        child: LaunchChildrenRequest.Child,
        tell: Callable[[LaunchChildrenResponse.ChildState | None], None],
    ) -> None:
        """Sees to a child and tells of it, None while nobody answers, until `forget`."""
        ...

    def forget(
        self,
        child: LaunchChildrenRequest.Child,
        tell: Callable[[LaunchChildrenResponse.ChildState | None], None],
    ) -> None:
        """Tells of it no longer."""
        ...


class SnapshotSink(Protocol):
    """Who takes snapshots of runs that admin knows."""

    def put(self, snapshot: Snapshot) -> None:
        """Takes the latest snapshot of a key, epoch set and seq not."""
        ...


@dataclasses.dataclass(frozen=True)
class Services:
    """The process's parts, made once for each start of the watch streams."""

    settings: OperatorSettings
    division: Division
    engine: EngineSettings
    verbs: Verbs
    store: StoreAccess
    clock: Clock
    timers: Timers
    namespaces: Namespaces
    secrets: TaskSecrets
    templates: PodTemplates
    capacity: Capacity
    pace: Pace
    removals: Removals
    snapshots: SnapshotSink
    cache: Cache
    metrics: Metrics
    children: Children
    status_turns: Turns = dataclasses.field(default_factory=Turns)
    closures: Closures = dataclasses.field(default_factory=Closures)
    notice_turns: asyncio.Semaphore = dataclasses.field(
        default_factory=lambda: asyncio.Semaphore(NOTICES_AT_A_TIME)
    )
    openings: asyncio.Semaphore = dataclasses.field(
        default_factory=lambda: asyncio.Semaphore(OPENINGS_AT_A_TIME)
    )
    """Entered while a run is opened: that is work of milliseconds, and after a restart there are hundreds to open."""
