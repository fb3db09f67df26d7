"""Runs and what can be seen of them."""

import dataclasses
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from limosa_admin import page_tokens, resuming
from limosa_admin.request_errors import Reason, RequestError, not_found
from limosa_admin.rpc.call import Call, wait
from limosa_admin.rpc.places import Places
from limosa_admin.run_view import RunView, run_prefix
from limosa_admin.signalling import signal_gate
from limosa_admin.store import caches, entities, runs, snapshots, uses
from limosa_admin.store.changes import Changes, run_topic
from limosa_admin.store.database import Database
from limosa_admin.submission import Submissions
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_store import Store

WATCH_REREAD_S = 15.0
"""A watch reads again after so long without word of a change, should one have been lost."""
CHUNK_BYTES = 2 * 1024 * 1024
"""Snapshots of one message of a watch."""


@dataclasses.dataclass(frozen=True)
class RunService:
    """Creates, shows, aborts and deletes runs."""

    database: Database
    store: Store
    changes: Changes
    places: Places
    view: RunView
    submissions: Submissions

    def create_run(self, request: pb.CreateRunRequest, call: Call) -> pb.Run:
        """Queues a run, or answers with the one the same request made before."""
        self.places.check(call.identity, request.project, request.domain)
        asks = self.places.check_served(call.identity, request.project, request.domain)
        row = self.submissions.submit(request, call.identity.subject)
        # A cluster that asks for work takes it in a moment, so why it waits is for those who look again.
        return self.view.message(row, waits=not asks)

    def get_run(self, request: pb.GetRunRequest, call: Call) -> pb.RunDetail:
        """A run with its graph and latest snapshots."""
        row = self._row(request.id, call)
        with self.database.snapshot() as connection:
            delta = snapshots.read(connection, row["uid"])
            closure = entities.spec(connection, row["closure_digest"])
        if delta is None:
            raise _gone(request.id)
        return pb.RunDetail(
            run=self.view.message(delta.run), closure=Closure.FromString(closure), snapshots=delta.snapshots
        )

    def list_runs(self, request: pb.ListRunsRequest, call: Call) -> pb.ListRunsResponse:
        """A page of runs, newest first, without their outputs."""
        if request.project:
            call.identity.require_project(request.project)
        limit = page_tokens.page_limit(request.limit)
        before = page_tokens.decode_number(request.page_token)
        with self.database.transaction() as connection:
            rows, following = runs.list_page(
                connection, request, sorted(call.identity.projects), limit, before
            )
        found = self.view.messages(rows)
        for run in found:
            # Outputs of a whole page could be larger than a message may be.
            run.state.ClearField("outputs")
        return pb.ListRunsResponse(runs=found, next_page_token=page_tokens.encode(following))

    def abort_run(self, request: pb.AbortRunRequest, call: Call) -> pb.Run:
        """Asks for a run's end. A run that has ended stays as it is: the answer has its last phase and no request."""
        self.places.check(call.identity, request.id.project, request.id.domain)
        reason = f"{request.reason.strip() or 'aborted'} (by {call.identity.subject})"
        with self.database.transaction() as connection:
            row = runs.find(connection, request.id, lock=True)
            if row is None:
                raise _gone(request.id)
            runs.abort(connection, row, reason)
            row = runs.get(connection, row["uid"])
        if row is None:
            raise _gone(request.id)
        return self.view.message(row)

    def signal_run(self, request: pb.SignalRunRequest, call: Call) -> pb.SignalRunResponse:
        """Keeps an answer to a gate until the run's state shows that it was taken."""
        self.places.check(call.identity, request.id.project, request.id.domain)
        signal = request.signal
        signal.by = call.identity.subject
        signal.at.GetCurrentTime()
        with self.database.transaction() as connection:
            row = runs.find(connection, request.id, lock=True)
            if row is None:
                raise _gone(request.id)
            earlier = signal_gate(connection, row, signal)
        return pb.SignalRunResponse(earlier=earlier)

    def resume_run(self, request: pb.ResumeRunRequest, call: Call) -> pb.ResumeRunResponse:
        """Queues a run that goes on from one that has ended; or, of a dry run, says what it would reuse."""
        row = self._row(request.id, call)
        self.places.check_served(call.identity, request.id.project, request.id.domain)
        plan, made = resuming.resume(self.submissions, row, request, call.identity.subject)
        return pb.ResumeRunResponse(run=None if made is None else self.view.message(made), nodes=plan.nodes)

    def delete_run(self, request: pb.DeleteRunRequest, call: Call) -> pb.DeleteRunResponse:
        """Deletes a run that has ended, with everything it wrote below its prefix."""
        row = self._row(request.id, call)
        if row["phase"] not in runs.TERMINAL:
            remedy = f"abort it first: limosa abort {request.id.name}"
            raise RequestError(Reason.PRECONDITION, f"run '{request.id.name}' has not ended; {remedy}")
        # What others would take from it goes before its data does.
        with self.database.transaction() as connection:
            caches.forget_run(connection, row["uid"])
            needed_by = uses.needed_by(connection, row["uid"])
            if needed_by:
                message = (
                    f"results of run '{request.id.name}' are used by run '{needed_by}', which is under way"
                )
                raise RequestError(Reason.PRECONDITION, f"{message}; delete it when that has ended")
        # Objects first: should it fail half-way, the run is still there and can be deleted again.
        self.store.delete_prefix(run_prefix(row))
        with self.database.transaction() as connection:
            caches.forget_run(connection, row["uid"])
            runs.delete(connection, row["uid"])
        return pb.DeleteRunResponse()

    def watch_run(self, request: pb.WatchRunRequest, call: Call) -> Iterator[pb.RunUpdate]:
        """The whole state, then what changes, until the run has ended."""
        row = self._row(request.id, call)
        with self.database.transaction() as connection:
            closure: Closure | None = Closure.FromString(entities.spec(connection, row["closure_digest"]))
        woken = call.waker()
        since, shown = -1, None
        with self.changes.subscribe(run_topic(row["uid"]), woken.set):
            while call.is_wanted():
                delta = self._read(request.id, row["uid"], since)
                run = self.view.message(delta.run)
                # Why a run waits changes with time alone.
                if delta.change > since or run.state.reason != shown:
                    yield from _updates(run, closure, delta.snapshots)
                closure, since, shown = None, delta.change, run.state.reason
                if delta.run["phase"] in runs.TERMINAL:
                    return
                wait(woken, WATCH_REREAD_S)
        call.check_wanted()

    def get_run_data(self, request: pb.GetRunDataRequest, call: Call) -> pb.GetRunDataResponse:
        """Inputs and outputs of the run, a node or an item of a map."""
        row = self._row(request.id, call)
        index = request.index if request.HasField("index") else None
        return self.view.data(row, request.node_path, index)

    def tail_logs(self, request: pb.TailLogsRequest, call: Call) -> Iterator[pb.LogChunk]:
        """What launches printed, and while following, what they print until they end."""
        row = self._row(request.id, call)
        woken = call.waker()
        log = self.view.log(row, request)
        while call.is_wanted():
            yield from log.read()
            if not (request.follow and log.more):
                return
            wait(woken, self.view.log_interval_s)
        call.check_wanted()

    def _read(self, run: pb.RunId, uid: str, since: int) -> snapshots.Delta:
        with self.database.snapshot() as connection:
            delta = snapshots.read(connection, uid, since)
        if delta is None:
            raise _gone(run)
        return delta

    def _row(self, run: pb.RunId, call: Call) -> sa.RowMapping:
        self.places.check(call.identity, run.project, run.domain)
        with self.database.transaction() as connection:
            row = runs.find(connection, run)
        if row is None:
            raise _gone(run)
        return row


def _updates(
    run: pb.Run, closure: Closure | None, changed: Sequence[run_pb2.Snapshot]
) -> Iterator[pb.RunUpdate]:
    """One message, or several where the snapshots are many; only the first has the graph."""
    for chunk in _chunks(changed):
        yield pb.RunUpdate(run=run, closure=closure, snapshots=chunk)
        closure = None


def _chunks(found: Sequence[run_pb2.Snapshot]) -> Iterator[list[run_pb2.Snapshot]]:
    """At least one chunk, also of nothing."""
    chunk: list[run_pb2.Snapshot] = []
    size = 0
    for snapshot in found:
        size += snapshot.ByteSize()
        if chunk and size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], snapshot.ByteSize()
        chunk.append(snapshot)
    yield chunk


def _gone(run: pb.RunId) -> RequestError:
    return not_found(f"run '{run.name}' in {run.project}/{run.domain}")
