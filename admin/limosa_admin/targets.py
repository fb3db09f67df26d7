"""Targets: what runs can be made of, remembered once they were read."""

import dataclasses
import threading
from collections import OrderedDict

import sqlalchemy as sa

from limosa_admin.request_errors import Reason, RequestError, nearest, not_found
from limosa_admin.store import entities
from limosa_admin.store.database import Database
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.interface_pb2 import Interface
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, LaunchPlanSpec
from limosa_model.digests import serialize, sha256_hex
from limosa_model.graph import Index, wrap_task

MOST_REMEMBERED = 64 * 1024 * 1024
"""Bytes of closures that are remembered; their parsed forms take a few times as much."""
_KIND_WORDS = {
    pb.ENTITY_KIND_TASK: "task",
    pb.ENTITY_KIND_WORKFLOW: "workflow",
    pb.ENTITY_KIND_LAUNCH_PLAN: "launch plan",
}


@dataclasses.dataclass(frozen=True)
class Target:
    """What a run runs.

    Attributes:
        id: With its version.
        closure: Serialised; the specs have it under `closure_digest`.
        closure_digest: Its sha256.
        interface: What it takes and gives.
        plan: The launch plan; empty for other targets.
    """

    id: pb.EntityId
    closure: bytes
    closure_digest: str
    interface: Interface
    plan: LaunchPlanSpec


class Targets:
    """Finds targets. What is registered under a version never changes, so it is read and parsed once."""

    def __init__(self, database: Database, most_bytes: int = MOST_REMEMBERED) -> None:
        """Reads nothing yet; closures beyond `most_bytes` together are forgotten, those not used for longest first."""
        self._database = database
        self._most = most_bytes
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, Target] = OrderedDict()
        self._bytes = 0

    def find(self, request: pb.CreateRunRequest) -> Target:
        """What a request wants to run. Raises RequestError(INVALID or NOT_FOUND)."""
        wanted = _wanted(request)
        key = wanted.SerializeToString(deterministic=True)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        with self._database.transaction() as connection:
            found = _read(connection, wanted)
        # Which one is newest changes, and so may which kind has a name.
        if wanted.kind and wanted.version:
            self._remember(key, found)
        return found

    def forget(self) -> None:
        """Forgets everything, for when the tables turn out to be others than they were."""
        with self._lock:
            self._known.clear()
            self._bytes = 0

    def _remember(self, key: bytes, target: Target) -> None:
        with self._lock:
            if key in self._known:
                return
            self._known[key] = target
            self._bytes += len(target.closure)
            while self._bytes > self._most:
                self._bytes -= len(self._known.popitem(last=False)[1].closure)


def _wanted(request: pb.CreateRunRequest) -> pb.EntityId:
    for key in ("project", "domain"):
        given = getattr(request.target, key)
        if given and given != getattr(request, key):
            raise RequestError(
                Reason.INVALID, f"the target is of {key} '{given}' and the run of another; make them equal"
            )
    wanted = pb.EntityId()
    wanted.CopyFrom(request.target)
    wanted.project, wanted.domain = request.project, request.domain
    return wanted


def _read(connection: sa.Connection, wanted: pb.EntityId) -> Target:
    asked = wanted.kind
    for kind in [asked] if asked else list(_KIND_WORDS):
        wanted.kind = kind
        found = entities.find(connection, wanted)
        if found is not None:
            return _target(connection, *found)
    wanted.kind = asked
    raise _unknown(connection, wanted)


def _target(connection: sa.Connection, entity: pb.Entity, body: bytes) -> Target:
    plan = LaunchPlanSpec()
    if entity.id.kind == pb.ENTITY_KIND_TASK:
        task = TaskSpec.FromString(body)
        closure = serialize(wrap_task(task))
        # Its workflow of one node is nothing that was registered.
        return Target(entity.id, closure, entities.add_spec(connection, closure), task.interface, plan)
    if entity.id.kind == pb.ENTITY_KIND_LAUNCH_PLAN:
        plan.MergeFromString(body)
        workflow = pb.EntityId()
        workflow.CopyFrom(entity.id)
        workflow.kind, workflow.name = pb.ENTITY_KIND_WORKFLOW, plan.workflow
        found = entities.find(connection, workflow)
        if found is None:
            raise _unknown(connection, workflow)
        body = found[1]
    interface = Interface()
    # A copy: a part of a message keeps all of it in memory.
    interface.CopyFrom(Index(Closure.FromString(body)).entry.interface)
    return Target(entity.id, body, sha256_hex(body), interface, plan)


def _unknown(connection: sa.Connection, wanted: pb.EntityId) -> RequestError:
    what = f"{_KIND_WORDS.get(wanted.kind, 'entity')} '{wanted.name}'"
    if wanted.version:
        what += f" version {wanted.version}"
    what += f" in {wanted.project}/{wanted.domain}"
    known = entities.names(connection, wanted)
    if wanted.version and wanted.name in known:
        return not_found(what, "other versions have it: register it together with the code that names it")
    return not_found(what, nearest(wanted.name, known))
