"""Computed nodes: a value that follows from others. What each kind computes is in `limosa_model.computed`."""

from limosa_engine import expansion, own_commits, resolve, scopes
from limosa_engine.graph import NodePlan
from limosa_engine.own_commits import Decider
from limosa_engine.phases import NodePhase
from limosa_engine.state import Ending, NodeRecord, OwnCommit
from limosa_engine.turn import Turn
from limosa_engine.values import Inputs
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_model import failures
from limosa_model.computed import KINDS
from limosa_model.computed.kind import Unfit
from limosa_model.computed.nodes import compute
from limosa_model.failures import Code
from limosa_model.graph import written_at


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Computes as soon as the inputs are in memory, and has the result committed."""
    if record.ending is Ending.ABORT:
        scopes.finish_node(turn, plan, record, NodePhase.ABORTED)
        return
    own = turn.state.own_commits.setdefault(plan.number, OwnCommit())
    if not own_commits.is_due(turn, own):
        return
    inputs = resolve.operands(turn, plan, by_length=KINDS[plan.node.computed.kind].by_length)
    if inputs is None:
        expansion.wait_for_values(turn, plan, record)
        return
    made = inputs if isinstance(inputs, Failure) else _computed(plan, inputs)
    if isinstance(made, Failure):
        expansion.refuse(turn, plan, record, made)
        return
    turn.state.values.release(plan.number)
    record.waiting = None
    own_commits.write(turn, plan, own, made)


def _computed(plan: NodePlan, inputs: Inputs) -> LiteralMap | Failure:
    node = plan.node
    try:
        return LiteralMap(literals=compute(node.computed, inputs))
    except Unfit as unfit:
        message = f"{node.computed.kind} at {written_at(node, plan.path)}: {unfit}"
        return failures.user(Code.COMPUTATION, message, origin=FailureOrigin(node_path=plan.path))


DECIDER = Decider(concluded=own_commits.succeed)
