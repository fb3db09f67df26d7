"""One run as clients and pages see it: message, values, logs."""

import dataclasses
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from limosa_admin import log_tail
from limosa_admin.run_data import RunData
from limosa_admin.store import entities, runs, snapshots
from limosa_admin.store.database import Database
from limosa_admin.waiting import Waiting
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model import layout
from limosa_model.graph import Index
from limosa_store import ErrorCode, Store, StoreError

ENDS_WITHOUT_OUTPUTS = {run_pb2.RUN_PHASE_FAILED: "failed", run_pb2.RUN_PHASE_ABORTED: "was aborted"}
"""Phases after which a run has no outputs, as words of a sentence."""


@dataclasses.dataclass(frozen=True)
class RunView:
    """Reads what the tables and the object store know of runs.

    Attributes:
        database: The tables.
        store: The objects.
        waiting: Says why nothing happens to a run.
        public_url: Base URL of the pages.
        log_interval_s: Seconds between looks for new log segments.
    """

    database: Database
    store: Store
    waiting: Waiting
    public_url: str
    log_interval_s: float = 0.5

    def message(self, row: runs.Row, *, waits: bool = True) -> pb.Run:
        """A row as a Run; see `messages`. Without `waits` it is not told why nothing happens to it."""
        return self.messages([row])[0] if waits else self._message(row)

    def messages(self, rows: Sequence[runs.Row]) -> list[pb.Run]:
        """Rows as Runs. Must not be called within a transaction: it opens one to see why runs wait."""
        reasons = self.waiting.reasons(rows)
        found = []
        for row in rows:
            run = self._message(row)
            if row["uid"] in reasons:
                run.state.reason.CopyFrom(reasons[row["uid"]])
            found.append(run)
        return found

    def _message(self, row: runs.Row) -> pb.Run:
        path = f"/runs/{row['project']}/{row['domain']}/{row['name']}"
        return runs.to_message(row, self.public_url + path)

    def data(self, row: sa.RowMapping, node_path: str, index: int | None) -> pb.GetRunDataResponse:
        """Inputs and outputs of the run itself (empty path), a node or an item of a map."""
        with self.database.transaction() as connection:
            closure = Closure.FromString(entities.spec(connection, row["closure_digest"]))
        inputs = LiteralMap.FromString(bytes(row["inputs"]))
        if not node_path:
            return self._run_data(row, closure, inputs)
        state = run_pb2.RunState.FromString(bytes(row["state"]))
        reader = RunData(
            closure,
            inputs.literals,
            run_prefix(row),
            self.store,
            lambda path: self._node_state(row["uid"], path),
            state.failure if state.HasField("failure") else None,
        )
        return reader.of_node(node_path.strip("/"), index)

    def log(self, row: sa.RowMapping, request: pb.TailLogsRequest, most_launches: int = 0) -> "RunLog":
        """What launches of a run printed; `most_launches` bounds them, the newest count (0: all)."""
        return RunLog(self, row, request, most_launches)

    def _run_data(self, row: sa.RowMapping, closure: Closure, inputs: LiteralMap) -> pb.GetRunDataResponse:
        state = run_pb2.RunState.FromString(bytes(row["state"]))
        response = pb.GetRunDataResponse(interface=Index(closure).entry.interface, inputs=inputs)
        if state.phase != run_pb2.RUN_PHASE_SUCCEEDED:
            phase = run_pb2.RunPhase.Name(state.phase).removeprefix("RUN_PHASE_").lower()
            end = ENDS_WITHOUT_OUTPUTS.get(state.phase)
            response.note = f"outputs: none, because the run {end}" if end else f"outputs: the run is {phase}"
        else:
            response.outputs.CopyFrom(self.run_outputs(row))
        return response

    def run_outputs(self, row: sa.RowMapping) -> LiteralMap:
        """Outputs of a run that SUCCEEDED."""
        state = run_pb2.RunState.FromString(bytes(row["state"]))
        if state.HasField("outputs"):
            return state.outputs
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


class RunLog:
    """Reads logs from where it stopped before.

    Attributes:
        more: Whether anything can follow what was read.
        left_out: Node items asked for whose log is not read, because later ones began.
    """

    def __init__(
        self, view: RunView, row: sa.RowMapping, request: pb.TailLogsRequest, most_launches: int
    ) -> None:
        self.more = True
        self.left_out = 0
        self._view = view
        self._uid = row["uid"]
        self._request = request
        self._most = most_launches
        self._tail = log_tail.LogTail(view.store, run_prefix(row), request.tail_lines)
        self._over_before = False

    def read(self) -> Iterator[pb.LogChunk]:
        """What was printed since the last call."""
        launches, over = self._launches()
        # Segments may arrive a moment after the word that the launch has ended, so it is read once more.
        self.more = not self._over_before
        self._over_before = over
        yield from self._tail.read(launches)

    def _launches(self) -> tuple[list[run_pb2.Snapshot], bool]:
        """The launches asked for, and whether nothing will be printed any more."""
        request = self._request
        node_path = request.node_path.strip("/") or None
        index = request.index if request.HasField("index") else None
        ordinal = request.launch if request.HasField("launch") else None
        with self._view.database.snapshot() as connection:
            known = snapshots.launches(connection, self._uid, node_path, index)
            node = snapshots.of_node(connection, self._uid, node_path) if node_path else None
            row = runs.get(connection, self._uid)
        chosen = log_tail.select(known, ordinal, self._tail, self._most)
        self.left_out = log_tail.count_items(known) - log_tail.count_items(chosen) if ordinal is None else 0
        run_over = row is None or row["phase"] in runs.TERMINAL
        node_over = node is not None and node.phase >= run_pb2.NODE_PHASE_SUCCEEDED
        launch_over = ordinal is not None and bool(chosen) and log_tail.is_over(chosen)
        return chosen, run_over or node_over or launch_over


def run_prefix(row: sa.RowMapping) -> str:
    """Key below which a run's objects lie."""
    return layout.run_prefix(row["project"], row["domain"], row["name"], row["uid"])
