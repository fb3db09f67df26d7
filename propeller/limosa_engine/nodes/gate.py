"""Gate nodes: wait for a person, a value or a time; what they were told is their commit, written by the operator.

A gate's times follow from when its node was ready, which is in the encoded state. What it was told is not: a signal
comes again until the state shows that the gate is over, and of two answers the one that was committed first counts,
in every cluster and after every restart. Before a gate's time is held to be over, its commit is read once.
"""

from limosa_engine import expansion, resolve, scopes
from limosa_engine.commands import CommitGate, ReadCommit
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NODE_TERMINAL, NodePhase
from limosa_engine.state import Asking, Ending, GateRecord, NodeRecord
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
    gate = turn.state.gates.get(plan.number)
    if gate is None:
        gate = _open(turn, plan, record)
    if gate is None or gate.asking is not Asking.NOTHING:
        return
    if gate.again_at is not None and turn.now < gate.again_at:
        return
    signal = gate.signal or turn.state.signals.get(plan.number)
    until = _until(plan, record)
    if gate.unread:
        _ask(turn, plan, gate, Asking.BEFORE)
    elif signal is not None:
        gate.signal = signal
        _commit(turn, plan, record, gate)
    elif until is not None and turn.now >= until:
        if plan.node.gate.HasField("sleep"):
            _commit(turn, plan, record, gate)
        else:
            _ask(turn, plan, gate, Asking.LATE)


def signalled(turn: Turn, number: int, signal: Signal) -> None:
    """A person or a program answers a gate, perhaps before its turn comes; the first answer counts."""
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    if plan.kind != "gate" or record.phase in NODE_TERMINAL:
        return
    if signal.WhichOneof("kind") == _ANSWERED_BY.get(plan.node.gate.WhichOneof("kind") or ""):
        turn.state.signals.setdefault(number, signal)
        turn.mark(number)


def commit_read(turn: Turn, number: int, commit: Commit | None) -> None:
    """The gate's commit was asked for, or written: it decides, whoever wrote it."""
    plan, record, gate = turn.graph.nodes[number], turn.state.nodes[number], turn.state.gates.get(number)
    if gate is None or gate.asking is Asking.NOTHING or record.phase in NODE_TERMINAL:
        return
    asking, gate.asking = gate.asking, Asking.NOTHING
    if record.ending is not None:
        turn.mark(number)
    elif commit is not None:
        _decide(turn, plan, record, commit)
    elif asking is Asking.LATE:
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, _timed_out(plan))
    else:
        _wait(turn, plan, record)
        turn.mark(number)


def store_failed(turn: Turn, number: int, failure: Failure) -> None:
    """The gate's commit could not be read or written: that is tried again, or it never will be."""
    plan, record, gate = turn.graph.nodes[number], turn.state.nodes[number], turn.state.gates.get(number)
    if gate is None or gate.asking is Asking.NOTHING or record.phase in NODE_TERMINAL:
        return
    asking, gate.asking = gate.asking, Asking.NOTHING
    if record.ending is not None:
        turn.mark(number)
    elif failure.retryable:
        gate.unread = asking is Asking.BEFORE
        gate.again_at = turn.now + turn.settings.store_backoff
        record.waiting = turn.waiting(record.waiting, Code.STORE, failure.message, gate.again_at)
        turn.state.timers.add(gate.again_at, number)
        turn.touched_nodes[number] = None
    else:
        failure.origin.node_path = plan.path
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, failure)


def tell_again(turn: Turn, number: int) -> None:
    """After a restart: what the state does not say of a gate's failure."""
    plan, failure = turn.graph.nodes[number], turn.state.nodes[number].failure
    if failure is not None and failure.code == Code.GATE_TIMEOUT:
        failure.CopyFrom(_timed_out(plan))
    elif failure is not None and failure.code == Code.REJECTED:
        turn.state.refreshing.add(plan.item)
        turn.emit(ReadCommit(plan.item))


def rejection(plan: NodePlan, signal: Signal) -> Failure:
    """The failure of a gate whose approval was refused."""
    message = f"{_name(plan)} was rejected by {signal.by or 'somebody unnamed'}"
    return failures.user(Code.REJECTED, message, origin=FailureOrigin(node_path=plan.path))


def _open(turn: Turn, plan: NodePlan, record: NodeRecord) -> GateRecord | None:
    """The gate's turn has come, or the state was restored: it waits as soon as its inputs are there."""
    found = resolve.node_inputs(turn, plan, plan.number)
    if found is None:
        expansion.wait_for_values(turn, plan, record)
        return None
    turn.state.values.release(plan.number)
    if isinstance(found, Failure):
        expansion.refuse(turn, plan, record, found)
        return None
    gate = turn.state.gates[plan.number] = GateRecord()
    if record.phase is NodePhase.QUEUED:
        turn.set_node(plan, record, NodePhase.RUNNING)
        gate.unread = turn.graph.claimed_before
    _wait(turn, plan, record)
    until = _until(plan, record)
    if until is not None:
        turn.state.timers.add(until, plan.number)
    return gate


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


def _ask(turn: Turn, plan: NodePlan, gate: GateRecord, why: Asking) -> None:
    gate.asking, gate.unread, gate.again_at = why, False, None
    turn.emit(ReadCommit(plan.item))


def _commit(turn: Turn, plan: NodePlan, record: NodeRecord, gate: GateRecord) -> None:
    """Has the answer written; which one counts is read back."""
    outputs: LiteralMap | None = LiteralMap()
    signal = Signal()
    if gate.signal is not None:
        signal.CopyFrom(gate.signal)
        signal.ClearField("value")
        outputs = _outputs(turn, plan, record, gate.signal)
    if outputs is None:
        return
    gate.asking, gate.again_at = Asking.COMMITTED, None
    turn.emit(CommitGate(plan.item, outputs, None if gate.signal is None else signal))


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


def _decide(turn: Turn, plan: NodePlan, record: NodeRecord, commit: Commit) -> None:
    signal = commit.signal
    if signal.WhichOneof("kind") == "approved" and not signal.approved:
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, rejection(plan, signal))
        return
    if signal.by:
        turn.tell(plan.number, None, f"answered by {signal.by}")
    turn.state.values.put((plan.number, 0), commit.inline)
    scopes.finish_node(turn, plan, record, NodePhase.SUCCEEDED)


def _timed_out(plan: NodePlan) -> Failure:
    limit = plan.node.gate.timeout
    what = "approval" if plan.node.gate.HasField("approval") else "value"
    message = f"{_name(plan)} got no {what} within {limit.seconds + limit.nanos / 1e9:g} s"
    return failures.user(Code.GATE_TIMEOUT, message, origin=FailureOrigin(node_path=plan.path))


def _name(plan: NodePlan) -> str:
    title = plan.node.display_name
    return f"gate {plan.path} ('{title}')" if title and title != plan.node.id else f"gate {plan.path}"
