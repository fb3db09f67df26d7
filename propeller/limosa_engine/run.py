"""The run itself: begun, aborted, over."""

from limosa_engine import endings, handlers, resolve, scopes
from limosa_engine.commands import DeletePod
from limosa_engine.phases import RUN_TERMINAL, RunPhase
from limosa_engine.size import worst_case_size
from limosa_engine.state import RUN_NODE
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.state_size import REMEDY, too_large


def start(turn: Turn) -> None:
    """Begins, if the run's state can be kept in its object."""
    state = turn.state
    if state.phase is not RunPhase.QUEUED:
        return
    state.started_at = turn.now
    size, limit = worst_case_size(turn.graph), turn.settings.state_limit_bytes
    why = too_large(len(turn.graph.nodes), size, limit)
    if why:
        message = f"{why}; {REMEDY}"
        state.failure = failures.user(Code.STATE_TOO_LARGE, message, origin=FailureOrigin())
        turn.set_run(RunPhase.FAILED)
        return
    turn.set_run(RunPhase.RUNNING)
    scopes.start(turn, 0)


def abort(turn: Turn, reason: str) -> None:
    """Ends everything that has not ended."""
    state = turn.state
    if state.phase in RUN_TERMINAL:
        return
    state.abort_reason = reason
    if state.phase is not RunPhase.ABORTING:
        state.failure = None
        turn.set_run(RunPhase.ABORTING)
    # A failing scope may have ended only itself; ending is idempotent per node.
    turn.state.scopes[0].ending = False
    endings.end_scope(turn, 0)
    handlers.abort(turn)
    turn.mark(RUN_NODE)


def advance(turn: Turn) -> None:
    """Ends when its last node has, and its outputs are at hand."""
    state, root = turn.state, turn.state.scopes[0]
    if state.phase is RunPhase.SUCCEEDED and state.outputs is None:
        # After a restart: admin may not have been told.
        _give_outputs(turn)
        return
    if state.phase in RUN_TERMINAL or state.phase is RunPhase.QUEUED or root.open_nodes:
        return
    if state.phase is not RunPhase.ABORTING and root.failure is None and not _give_outputs(turn):
        return
    if not handlers.settled(turn, 0) or (state.phase is RunPhase.FAILING and state.refreshing):
        return
    if state.phase is RunPhase.ABORTING:
        turn.set_run(RunPhase.ABORTED)
    elif root.failure is not None:
        state.failure = root.failure
        turn.set_run(RunPhase.FAILED)
    else:
        turn.set_run(RunPhase.SUCCEEDED)
    for item, (launch, _) in state.unclaimed.items():
        turn.emit(DeletePod(item, launch, "stale"))
    state.unclaimed.clear()


def _give_outputs(turn: Turn) -> bool:
    """Makes the run's outputs, or the failure that they cannot be had; False while values are being read."""
    state = turn.state
    outputs = resolve.scope_outputs(turn, 0, RUN_NODE)
    if outputs is None:
        return False
    state.values.release(RUN_NODE)
    if not isinstance(outputs, Failure):
        state.outputs = LiteralMap(literals=outputs)
        turn.run_touched = True
    elif state.phase not in RUN_TERMINAL:
        scopes.fail(turn, 0, outputs)
    return True
