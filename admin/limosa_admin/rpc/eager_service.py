"""What attempts of eager nodes call."""

import dataclasses

import sqlalchemy as sa

from limosa_admin.request_errors import Reason, RequestError, check
from limosa_admin.rpc.call import Call
from limosa_admin.store import calls, runs
from limosa_admin.store.database import Database
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1.run_pb2 import Epoch
from limosa_model.attempt_tokens import AttemptClaims
from limosa_model.names import check_name, format_epoch

MOST_CALLS = 500
"""Calls of one request."""


@dataclasses.dataclass(frozen=True)
class EagerService:
    """Level-based: every answer is computed from the tables alone. Whose calls they are is in the token, not in the request."""

    database: Database

    def sync_calls(self, request: pb.SyncCallsRequest, call: Call) -> pb.SyncCallsResponse:
        """Which of an attempt's calls have ended; the operator hears of the others."""
        attempt = call.identity.attempt
        if attempt is None:
            raise RequestError(Reason.FORBIDDEN, "only attempts of eager nodes make calls")
        if len(request.open) > MOST_CALLS:
            message = f"{len(request.open)} calls in one request; send at most {MOST_CALLS}"
            raise RequestError(Reason.INVALID, message)
        for name in request.open:
            check(check_name("node", name))
        with self.database.transaction() as connection:
            row = runs.get(connection, attempt.run_uid)
            _check_current(connection, row, attempt)
            assert row is not None
            ended = calls.sync(connection, row, attempt.node_path, request.open)
        return pb.SyncCallsResponse(ended=ended)


def _check_current(connection: sa.Connection, row: sa.RowMapping | None, attempt: AttemptClaims) -> None:
    """Raises RequestError(PRECONDITION) unless the attempt may be the one that counts."""
    what = f"attempt {attempt.launch + 1} of node '{attempt.node_path}'"
    if row is None or row["phase"] in runs.TERMINAL or row["abort_requested"]:
        raise RequestError(Reason.PRECONDITION, f"{what}: its run is over, or being ended")
    epoch = Epoch(generation=row["epoch_generation"], number=row["epoch_number"])
    if format_epoch(epoch) != attempt.epoch:
        raise RequestError(Reason.PRECONDITION, f"{what}: its run was claimed anew since")
    if calls.is_over(connection, row, attempt.node_path, attempt.launch):
        raise RequestError(Reason.PRECONDITION, f"{what}: it has ended, or another attempt came after it")
