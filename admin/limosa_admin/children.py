"""Child runs: made for nodes of other runs, looked at, ended. Asking twice is the same as asking once."""

import dataclasses
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.run_view import RunView
from limosa_admin.store import runs
from limosa_admin.store.database import Database
from limosa_admin.submission import Submissions
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.names import child_run_name, child_run_uid

Child = pb.LaunchChildrenRequest.Child
ChildState = pb.LaunchChildrenResponse.ChildState
Rows = Mapping[str, sa.RowMapping]

MOST_CHILDREN = 1000
"""Children of one call."""
OUTPUT_BYTES = 8 * 1024 * 1024
"""Outputs of one answer; children whose outputs do not fit are told of as running, and asked for again."""


@dataclasses.dataclass(frozen=True)
class Children:
    """Carries out LaunchChildren.

    Attributes:
        database: The tables.
        submissions: Queues runs.
        view: Shows runs.
        max_depth: How many runs may stand above one; 0: no child runs.
    """

    database: Database
    submissions: Submissions
    view: RunView
    max_depth: int

    def answer(self, request: pb.LaunchChildrenRequest, identity: Identity) -> list[ChildState]:
        """One state for each child, in order. Raises RequestError where nobody can say."""
        if len(request.children) > MOST_CHILDREN:
            message = f"{len(request.children)} children in one call; ask for at most {MOST_CHILDREN}"
            raise RequestError(Reason.INVALID, message)
        refused: dict[int, Failure] = {}
        rows = self._rows(request.children)
        for position, child in enumerate(request.children):
            failure = self._see_to(child, rows, request.cluster_uid, identity)
            if failure is not None:
                refused[position] = failure
        found = self._rows(request.children)
        asked = [found[uid] for uid in dict.fromkeys(map(_uid, request.children)) if uid in found]
        shown = {run.uid: run for run in self.view.messages(asked)}
        room = OUTPUT_BYTES
        states = []
        for position, child in enumerate(request.children):
            run = shown.get(_uid(child))
            state = _state(child, run, refused.get(position))
            if run is not None and state.state.phase == run_pb2.RUN_PHASE_SUCCEEDED:
                room = self._add_outputs(state, found[run.uid], room)
            states.append(state)
        return states

    def _rows(self, children: Sequence[Child]) -> Rows:
        uids = {uid for child in children for uid in (child.run_uid, _uid(child))}
        with self.database.transaction() as connection:
            return runs.get_all(connection, uids)

    def _see_to(self, child: Child, rows: Rows, cluster_uid: str, identity: Identity) -> Failure | None:
        """Makes or ends the child as asked; gives why that is not done."""
        parent, row = rows.get(child.run_uid), rows.get(_uid(child))
        if parent is None or not _is_current(parent, cluster_uid, child.epoch):
            message = f"run {child.run_uid} is not this cluster's under this epoch"
            return failures.system(Code.STALE_CLAIM, message)
        identity.require_project(parent["project"])
        if child.abort:
            if row is not None:
                self._abort(row["uid"], parent)
            return None
        if row is not None or not child.HasField("target"):
            return None
        try:
            return self._make(child, parent)
        except RequestError as error:
            if error.reason is Reason.UNAVAILABLE:
                raise
            return failures.user(Code.CHILD_REFUSED, f"no child run was made: {error.message}")

    def _make(self, child: Child, parent: sa.RowMapping) -> Failure | None:
        if parent["phase"] in runs.TERMINAL:
            return failures.user(Code.ABORTED, f"run '{parent['name']}' is over; it launches nothing")
        if parent["abort_requested"]:
            # No end: its operator asked before it heard of the abort, and is to abort the run, not to fail it by this.
            return failures.system(
                Code.ABORTED, f"run '{parent['name']}' is to be aborted; it launches nothing"
            )
        depth = parent["depth"] + 1
        if depth > self.max_depth:
            return _too_deep(child, depth, self.max_depth)
        request = pb.CreateRunRequest(
            project=parent["project"],
            domain=parent["domain"],
            name=child_run_name(parent["name"], parent["uid"], child.node_path),
            target=child.target,
            inputs=child.inputs,
            annotations=parent["annotations"],
            priority=parent["priority"],
            cache_mode=parent["cache_mode"],
            max_parallelism=parent["max_parallelism"],
        )
        request.target.kind = pb.ENTITY_KIND_LAUNCH_PLAN
        request.target.version = child.target.version or parent["target_version"]
        made_for = run_pb2.ParentRun(
            run_uid=parent["uid"], run_name=parent["name"], node_path=child.node_path, depth=depth
        )
        self.submissions.submit(request, parent["created_by"], uid=_uid(child), parent=made_for)
        return None

    def _abort(self, uid: str, parent: sa.RowMapping) -> None:
        with self.database.transaction() as connection:
            row = runs.get(connection, uid, lock=True)
            if row is not None:
                runs.abort(connection, row, f"run '{parent['name']}', which made it, ends it")

    def _add_outputs(self, state: ChildState, row: sa.RowMapping, room: int) -> int:
        """Adds a child's outputs where they fit; gives the bytes that are left."""
        outputs = self.view.run_outputs(row)
        size = outputs.ByteSize()
        if size > room and room < OUTPUT_BYTES:
            state.state.Clear()
            state.state.phase = run_pb2.RUN_PHASE_RUNNING
            return 0
        state.state.outputs.CopyFrom(outputs)
        return room - size


def _uid(child: Child) -> str:
    return child_run_uid(child.run_uid, child.node_path)


def _is_current(parent: sa.RowMapping, cluster_uid: str, epoch: run_pb2.Epoch) -> bool:
    claim = (parent["cluster_uid"], parent["epoch_generation"], parent["epoch_number"])
    return claim == (cluster_uid, epoch.generation, epoch.number)


def _state(child: Child, run: pb.Run | None, refused: Failure | None) -> ChildState:
    if refused is not None:
        return ChildState(run_uid=_uid(child), failure=refused)
    if run is None:
        missing = failures.system(Code.CHILD_MISSING, f"no child run of node {child.node_path} exists")
        return ChildState(run_uid=_uid(child), failure=missing)
    state = ChildState(run_uid=run.uid, name=run.name, state=run.state)
    state.state.ClearField("outputs")
    return state


def _too_deep(child: Child, depth: int, limit: int) -> Failure:
    message = (
        f"node {child.node_path} would launch {child.target.name} as run {depth} below the one that was started, "
        f"and at most {limit} may stand below it; end the recursion earlier, call the workflow itself so that it runs "
        "in place, or have LIMOSA_ADMIN_MAX_CHILD_DEPTH raised"
    )
    return failures.user(Code.TOO_DEEP, message)
