"""Gate nodes: wait for a person, a value or a time; what they were told is their commit, written by the operator.

A gate's times follow from when its node was ready, which is in the encoded state. What it was told is not: a signal
comes again until the state shows that the gate is over, and of two answers the one that was committed first counts,
in every cluster and after every restart. Before a gate's time is held to be over, its commit is read once.
"""

from limosa_engine import expansion, own_commits, resolve, scopes
from limosa_engine.commands import ReadCommit
from limosa_engine.graph import NodePlan
from limosa_engine.own_commits import Decider
from limosa_engine.phases import NodePhase
from limosa_engine.state import Asking, Ending, NodeRecord, OwnCommit
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit, Signal
from limosa_model import failures
from limosa_model.failures import Code

REASONS = {
    "approval": "WaitingForApproval",
    "wait_for_input": "WaitingForInput",
    "sleep": "Sleeping",
}
"""Why a gate waits, by its kind."""
_ANSWERED_BY = {"approval": "approved", "wait_for_input": "value"}
"""The kind of signal that a kind of gate takes; a sleep takes none."""


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Opens, then ends with the first of: a signal, its time, an abort."""
    if record.ending is Ending.ABORT:
        scopes.finish_node(turn, plan, record, NodePhase.ABORTED)
        return
    own = turn.state.own_commits.get(plan.number)
    if own is None:
        own = _open(turn, plan, record)
    if own is None or not own_commits.is_due(turn, own):
        return
    signal = own.signal or turn.state.signals.get(plan.number)
    until = _until(plan, record)
    if own.unread:
        own_commits.ask(turn, plan, own, Asking.BEFORE)
    elif signal is not None:
        own.signal = signal
        _commit(turn, plan, record, own)
    elif until is not None and turn.now >= until:
        if plan.node.gate.HasField("sleep"):
            _commit(turn, plan, record, own)
        else:
            own_commits.ask(turn, plan, own, Asking.LATE)


def _signalled(turn: Turn, plan: NodePlan, _: NodeRecord, signal: Signal) -> None:
    """The first answer counts."""
    if signal.WhichOneof("kind") == _ANSWERED_BY.get(plan.node.gate.WhichOneof("kind") or ""):
        turn.state.signals.setdefault(plan.number, signal)
        turn.mark(plan.number)


def _absent(turn: Turn, plan: NodePlan, record: NodeRecord, asking: Asking) -> None:
    if asking is Asking.LATE:
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, _timed_out(plan))
    else:
        _wait(turn, plan, record)
        turn.mark(plan.number)


def _tell_again(turn: Turn, plan: NodePlan, failure: Failure) -> None:
    if failure.code == Code.GATE_TIMEOUT:
        failure.CopyFrom(_timed_out(plan))
    elif failure.code == Code.REJECTED:
        turn.state.refreshing.add(plan.item)
        turn.emit(ReadCommit(plan.item))


def _rejection(plan: NodePlan, commit: Commit) -> Failure:
    message = f"{_name(plan)} was rejected by {commit.signal.by or 'somebody unnamed'}"
    return failures.user(Code.REJECTED, message, origin=FailureOrigin(node_path=plan.path))


def _open(turn: Turn, plan: NodePlan, record: NodeRecord) -> OwnCommit | None:
    """The gate's turn has come, or the state was restored: it waits as soon as its inputs are there."""
    found = resolve.node_inputs(turn, plan, plan.number)
    if found is None:
        expansion.wait_for_values(turn, plan, record)
        return None
    turn.state.values.release(plan.number)
    if isinstance(found, Failure):
        expansion.refuse(turn, plan, record, found)
        return None
    own = turn.state.own_commits[plan.number] = OwnCommit()
    if record.phase is NodePhase.QUEUED:
        turn.set_node(plan, record, NodePhase.RUNNING)
        own.unread = turn.graph.claimed_before
    _wait(turn, plan, record)
    until = _until(plan, record)
    if until is not None:
        turn.state.timers.add(until, plan.number)
    return own


def _wait(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    gate = plan.node.gate
    reason = REASONS[gate.WhichOneof("kind") or ""]
    record.waiting = turn.waiting(None, reason, gate.prompt, _until(plan, record))
    record.waiting.since = record.queued_at if record.queued_at is not None else turn.now
    turn.touched_nodes[plan.number] = None


def _until(plan: NodePlan, record: NodeRecord) -> float | None:
    """When the gate's time is over (Unix seconds): a sleep's end, or the longest wait for a signal."""
    gate = plan.node.gate
    limit = gate.sleep.duration if gate.HasField("sleep") else gate.timeout
    if record.queued_at is None or not (gate.HasField("sleep") or gate.HasField("timeout")):
        return None
    return record.queued_at + limit.seconds + limit.nanos / 1e9


def _commit(turn: Turn, plan: NodePlan, record: NodeRecord, own: OwnCommit) -> None:
    outputs: LiteralMap | None = LiteralMap()
    signal: Signal | None = None
    if own.signal is not None:
        signal = Signal()
        signal.CopyFrom(own.signal)
        signal.ClearField("value")
        outputs = _outputs(turn, plan, record, own.signal)
    if outputs is not None:
        own_commits.write(turn, plan, own, outputs, signal, rests_on_state=signal is None)


def _outputs(turn: Turn, plan: NodePlan, record: NodeRecord, signal: Signal) -> LiteralMap | None:
    """What the gate gives, as it was told; None while a value is being read, or never will be."""
    if signal.WhichOneof("kind") == "value":
        return LiteralMap(literals={"o0": signal.value})
    if not signal.approved or not plan.node.inputs:
        return LiteralMap()
    found = resolve.node_inputs(turn, plan, plan.number)
    if found is None:
        return None
    turn.state.values.release(plan.number)
    if isinstance(found, Failure):
        expansion.refuse(turn, plan, record, found)
        return None
    return LiteralMap(literals={"o0": found["value"]})


def _concluded(turn: Turn, plan: NodePlan, record: NodeRecord, commit: Commit) -> None:
    signal = commit.signal
    if signal.WhichOneof("kind") == "approved" and not signal.approved:
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, _rejection(plan, commit))
        return
    if signal.by:
        turn.tell(plan.number, None, f"answered by {signal.by}")
    own_commits.succeed(turn, plan, record, commit)


def _timed_out(plan: NodePlan) -> Failure:
    limit = plan.node.gate.timeout
    what = "approval" if plan.node.gate.HasField("approval") else "value"
    message = f"{_name(plan)} got no {what} within {limit.seconds + limit.nanos / 1e9:g} s"
    return failures.user(Code.GATE_TIMEOUT, message, origin=FailureOrigin(node_path=plan.path))


def _name(plan: NodePlan) -> str:
    title = plan.node.display_name
    return f"gate {plan.path} ('{title}')" if title and title != plan.node.id else f"gate {plan.path}"


DECIDER = Decider(_concluded, _absent, _signalled, _tell_again, _rejection)
