"""Arrivals: new runs, written to the queue. Those asked for at the same time are written together.

Admin makes no other change as often. To write a run costs Postgres a plan, a trip and a write to the disk; runs that come
while others are being written share all three. Each is answered when it is safe on the disk.
"""

import dataclasses
import json
import threading
from collections.abc import Sequence
from typing import Any

from sqlalchemy import exc

from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.store.database import Database
from limosa_admin.store.runs import Row
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.digests import serialize

_QUEUED = run_pb2.RunState(phase=run_pb2.RUN_PHASE_QUEUED).SerializeToString()
_SAME: dict[str, int | str | bytes] = {
    "phase": int(run_pb2.RUN_PHASE_QUEUED),
    "state": _QUEUED,
    "state_seq": -1,
    "epoch_generation": 0,
    "epoch_number": 0,
    "abort_requested": False,
    "abort_reason": "",
    "change": 0,
}
"""What every new run has."""


def _literal(value: int | str | bytes) -> str:
    return f"decode('{value.hex()}', 'hex')" if isinstance(value, bytes) else repr(value)


_GIVEN = {
    "uid": "text",
    "project": "text",
    "domain": "text",
    "name": "text",
    "request_digest": "text",
    "target_kind": "smallint",
    "target_name": "text",
    "target_version": "text",
    "closure_digest": "text",
    "inputs": "text",
    "labels": "jsonb",
    "annotations": "jsonb",
    "created_by": "text",
    "priority": "integer",
    "cache_mode": "smallint",
    "max_parallelism": "integer",
    "lane": "text",
    "lane_limit": "integer",
    "parent_uid": "text",
    "parent_name": "text",
    "parent_node": "text",
    "depth": "smallint",
    "resumed_uid": "text",
    "reuse": "text",
}
"""Columns of a new run, and their types within JSON."""
_BYTES = ("inputs", "reuse")
"""Columns whose bytes are hexadecimal digits within JSON."""
_READ = ", ".join(f"decode({name}, 'hex')" if name in _BYTES else name for name in _GIVEN)
# In the order of names, so that processes that write the same ones wait for each other and never in a circle.
_CREATE = (
    f"INSERT INTO runs ({', '.join(_GIVEN)}, {', '.join(_SAME)}) "
    f"SELECT {_READ}, {', '.join(map(_literal, _SAME.values()))} "
    f"FROM json_to_recordset($1) AS new ({', '.join(f'{name} {kind}' for name, kind in _GIVEN.items())}) "
    "WHERE EXISTS (SELECT FROM specs WHERE digest = new.closure_digest) ORDER BY project, domain, name "
    "ON CONFLICT DO NOTHING RETURNING uid, number, created_at"
)


@dataclasses.dataclass(frozen=True)
class NewRun:
    """A run to keep. `closure_digest` names a spec kept before."""

    uid: str
    project: str
    domain: str
    name: str
    request_digest: str
    target: pb.EntityId
    closure_digest: str
    inputs: LiteralMap
    labels: dict[str, str]
    annotations: dict[str, str]
    created_by: str
    priority: int = 0
    cache_mode: int = 0
    max_parallelism: int = 0
    parent: run_pb2.ParentRun | None = None
    """The run and node it is made for; None for a run that a person made."""
    lane: str = ""
    """Its launch plan, where that has a limit of its own."""
    lane_limit: int = 0
    resumed_uid: str = ""
    """The run that it goes on from; empty for a run from the start."""
    reuse: run_pb2.Reuse | None = None
    """What it takes from that run."""


class _Arrival:
    """A run that waits to be written, and what came of it."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        self.is_over = False
        self.made: Row | None = None
        self.error: BaseException | None = None
        # Held until it is over, or its caller is to write what waits.
        self.turn = threading.Lock()
        self.turn.acquire()


class Arrivals:
    """Writes new runs. Safe from several threads; of those that call at a time one writes for all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: list[_Arrival] = []
        self._is_writing = False

    def create(self, new: NewRun) -> Row | None:
        """Queues a run and gives its row; None when one of that name or uid is there already, or its spec is not.

        Nobody is told: that is the caller's.
        """
        arrival = _Arrival(_row(new))
        with self._lock:
            self._waiting.append(arrival)
            writes, self._is_writing = not self._is_writing, True
        if not writes:
            arrival.turn.acquire()
        if not arrival.is_over:
            self._write_waiting()
        if arrival.error is not None:
            raise arrival.error
        return arrival.made

    def _write_waiting(self) -> None:
        """Writes what waits, and leaves what came meanwhile to the first of those."""
        with self._lock:
            # Two of one uid are not told apart by what Postgres answers.
            batch = {arrival.row["uid"]: arrival for arrival in reversed(self._waiting)}
            self._waiting = [arrival for arrival in self._waiting if batch[arrival.row["uid"]] is not arrival]
        try:
            self._write(list(batch.values()))
        except BaseException as error:
            # A bug, or the end of the writing thread: none of the others may take it for a name that is taken.
            for arrival in batch.values():
                if arrival.made is None and arrival.error is None:
                    arrival.error = error
            raise
        finally:
            for arrival in batch.values():
                arrival.is_over = True
                arrival.turn.release()
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_writing = following is not None
            if following is not None:
                following.turn.release()

    def _write(self, batch: Sequence[_Arrival]) -> None:
        try:
            self._insert(batch)
        except (RequestError, exc.SQLAlchemyError) as error:
            is_there = not isinstance(error, RequestError) or error.reason is not Reason.UNAVAILABLE
            for arrival in batch:
                if is_there and len(batch) > 1:
                    # One that Postgres refuses does the others no harm.
                    self._write([arrival])
                else:
                    arrival.error = error

    def _insert(self, batch: Sequence[_Arrival]) -> None:
        new = json.dumps([arrival.row for arrival in batch], default=bytes.hex)
        made = {row.uid: row for row in self._database.single(_CREATE, new)}
        for arrival in batch:
            row = made.get(arrival.row["uid"])
            if row is not None:
                written = {"number": row.number, "created_at": row.created_at}
                arrival.made = {**arrival.row, **_SAME, **written, "cluster_uid": None, "cluster_name": None}


def _row(new: NewRun) -> dict[str, Any]:
    return {
        "uid": new.uid,
        "project": new.project,
        "domain": new.domain,
        "name": new.name,
        "request_digest": new.request_digest,
        "target_kind": new.target.kind,
        "target_name": new.target.name,
        "target_version": new.target.version,
        "closure_digest": new.closure_digest,
        "inputs": serialize(new.inputs),
        "labels": new.labels,
        "annotations": new.annotations,
        "created_by": new.created_by,
        "priority": new.priority,
        "cache_mode": new.cache_mode,
        "max_parallelism": new.max_parallelism,
        "lane": new.lane,
        "lane_limit": new.lane_limit,
        "parent_uid": None if new.parent is None else new.parent.run_uid,
        "parent_name": "" if new.parent is None else new.parent.run_name,
        "parent_node": "" if new.parent is None else new.parent.node_path,
        "depth": 0 if new.parent is None else new.parent.depth,
        "resumed_uid": None if new.reuse is None else new.resumed_uid,
        "reuse": None if new.reuse is None else serialize(new.reuse),
    }
