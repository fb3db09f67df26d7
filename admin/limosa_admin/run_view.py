"""One run as clients and pages see it: message, values, logs."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import sqlalchemy as sa

from limosa_admin import log_tail
from limosa_admin.run_data import RunData
from limosa_admin.store import entities, runs, snapshots
from limosa_admin.store.database import Database
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model import layout
from limosa_model.graph import Index
from limosa_store import ErrorCode, Store, StoreError


@dataclasses.dataclass(frozen=True)
class RunView:
    """Reads what the tables and the object store know of runs.

    Attributes:
        database: The tables.
        store: The objects.
        public_url: Base URL of the pages.
        log_interval_s: Seconds between looks for new log segments.
    """

    database: Database
    store: Store
    public_url: str
    log_interval_s: float = 0.5

    def message(self, row: sa.RowMapping) -> pb.Run:
        """A row as a Run."""
        path = f"/runs/{row['project']}/{row['domain']}/{row['name']}"
        return runs.to_message(row, self.public_url + path)

    def data(self, row: sa.RowMapping, node_path: str, index: int | None) -> pb.GetRunDataResponse:
        """Inputs and outputs of the run itself (empty path), a node or an item of a map."""
        with self.database.transaction() as connection:
            closure = Closure.FromString(entities.spec(connection, row["closure_digest"]))
        inputs = LiteralMap.FromString(bytes(row["inputs"]))
        if not node_path:
            return self._run_data(row, closure, inputs)
        reader = RunData(
            closure,
            inputs.literals,
            run_prefix(row),
            self.store,
            lambda path: self._node_state(row["uid"], path),
        )
        return reader.of_node(node_path.strip("/"), index)

    def log(
        self, row: sa.RowMapping, request: pb.TailLogsRequest, pause: Callable[[], bool]
    ) -> Iterator[pb.LogChunk]:
        """What launches printed; while following, until the run or the node's launches have ended.

        Args:
            row: The run.
            request: Which launches, and how much of them.
            pause: Waits a moment; False ends the reading.
        """
        tail = log_tail.LogTail(self.store, run_prefix(row), request.tail_lines)
        last_look = False

        def find() -> tuple[Sequence[run_pb2.Snapshot], bool]:
            nonlocal last_look
            launches, over = self._launches(row["uid"], request, tail)
            # Segments may arrive a moment after the word that the launch has ended.
            more = request.follow and not last_look
            last_look = over
            return launches, more

        yield from log_tail.follow(tail, find, pause)

    def _launches(
        self, uid: str, request: pb.TailLogsRequest, tail: log_tail.LogTail
    ) -> tuple[list[run_pb2.Snapshot], bool]:
        """The launches asked for, and whether nothing will be printed any more."""
        node_path = request.node_path.strip("/") or None
        index = request.index if request.HasField("index") else None
        ordinal = request.launch if request.HasField("launch") else None
        with self.database.snapshot() as connection:
            known = snapshots.launches(connection, uid, node_path, index)
            node = snapshots.of_node(connection, uid, node_path) if node_path else None
            row = runs.get(connection, uid)
        chosen = log_tail.select(known, ordinal, tail)
        run_over = row is None or row["phase"] in runs.TERMINAL
        node_over = node is not None and node.phase >= run_pb2.NODE_PHASE_SUCCEEDED
        launch_over = ordinal is not None and bool(chosen) and log_tail.is_over(chosen)
        return chosen, run_over or node_over or launch_over

    def _run_data(self, row: sa.RowMapping, closure: Closure, inputs: LiteralMap) -> pb.GetRunDataResponse:
        state = run_pb2.RunState.FromString(bytes(row["state"]))
        response = pb.GetRunDataResponse(interface=Index(closure).entry.interface, inputs=inputs)
        if state.phase != run_pb2.RUN_PHASE_SUCCEEDED:
            phase = run_pb2.RunPhase.Name(state.phase).removeprefix("RUN_PHASE_").lower()
            response.note = f"outputs: the run is {phase}"
        elif state.HasField("outputs"):
            response.outputs.CopyFrom(state.outputs)
        else:
            response.outputs.CopyFrom(self._stored_outputs(row))
        return response

    def _stored_outputs(self, row: sa.RowMapping) -> LiteralMap:
        try:
            return LiteralMap.FromString(self.store.get(layout.outputs_key(run_prefix(row))))
        except StoreError as error:
            # A run without outputs publishes none and stores none.
            if error.code is ErrorCode.NOT_FOUND:
                return LiteralMap()
            raise

    def _node_state(self, uid: str, path: str) -> run_pb2.NodeState | None:
        with self.database.transaction() as connection:
            return snapshots.of_node(connection, uid, path)


def run_prefix(row: sa.RowMapping) -> str:
    """Key below which a run's objects lie."""
    return layout.run_prefix(row["project"], row["domain"], row["name"], row["uid"])
