"""Check nodes: a condition that must hold."""

from limosa_engine import expansion, resolve, scopes
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NodePhase
from limosa_engine.state import NodeRecord
from limosa_engine.turn import Turn
from limosa_engine.values import Inputs
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_model import conditions, failures
from limosa_model.failures import Code
from limosa_model.graph import check_failed, written_at


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Decides once, as soon as the operands are in memory."""
    operands = resolve.operands(turn, plan)
    if operands is None:
        expansion.wait_for_values(turn, plan, record)
        return
    failure = operands if isinstance(operands, Failure) else _fault(plan, operands)
    if failure is not None:
        expansion.refuse(turn, plan, record, failure)
        return
    turn.state.values.release(plan.number)
    record.waiting = None
    scopes.finish_node(turn, plan, record, NodePhase.SUCCEEDED)


def _fault(plan: NodePlan, operands: Inputs) -> Failure | None:
    origin = FailureOrigin(node_path=plan.path)
    try:
        holds = conditions.evaluate(plan.node.check.condition, operands)
    except conditions.ConditionError as error:
        place = written_at(plan.node, plan.path)
        return failures.user(Code.BRANCH_CONDITION, f"the check at {place}: {error}", origin=origin)
    if holds:
        return None
    return failures.user(Code.CHECK_FAILED, check_failed(plan.node, plan.path), origin=origin)
