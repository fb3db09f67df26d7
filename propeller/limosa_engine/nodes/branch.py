"""Branch nodes: the first case whose condition holds."""

from limosa_engine import expansion, resolve, scopes
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NODE_TERMINAL, NodePhase
from limosa_engine.state import NodeRecord
from limosa_engine.turn import Turn
from limosa_engine.values import Inputs
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_model import conditions, failures
from limosa_model.failures import Code
from limosa_model.graph import branch_name


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Decides once; then ends as the case taken ends."""
    child = taken(turn, plan)
    if child is None:
        _decide(turn, plan, record)
        return
    outcome = turn.state.nodes[child]
    if outcome.phase in NODE_TERMINAL:
        scopes.finish_node(turn, plan, record, outcome.phase, outcome.failure)


def taken(turn: Turn, plan: NodePlan) -> int | None:
    """The case that was taken; None while it is not decided."""
    return next((case for case in plan.cases if turn.state.nodes[case].active), None)


def _decide(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    operands = resolve.operands(turn, plan)
    if operands is None:
        expansion.wait_for_values(turn, plan, record)
        return
    chosen = operands if isinstance(operands, Failure) else _choose(plan, operands)
    if isinstance(chosen, Failure):
        expansion.refuse(turn, plan, record, chosen)
        return
    turn.state.values.release(plan.number)
    record.waiting = None
    turn.set_node(plan, record, NodePhase.RUNNING)
    for position, case in enumerate(plan.cases):
        child = turn.state.nodes[case]
        if position == chosen:
            child.active = True
            turn.tell(plan.number, None, f"takes {turn.graph.nodes[case].path}")
            turn.mark(case)
        else:
            scopes.skip(turn, case)


def _choose(plan: NodePlan, operands: Inputs) -> int | Failure:
    branch = plan.node.branch
    try:
        for position, case in enumerate(branch.cases):
            if conditions.evaluate(case.condition, operands):
                return position
    except conditions.ConditionError as error:
        return _user(plan, Code.BRANCH_CONDITION, f"{branch_name(plan.node, plan.path)}: {error}")
    otherwise = branch.WhichOneof("otherwise")
    if otherwise == "else_then":
        return len(branch.cases)
    message = branch.else_fail if otherwise == "else_fail" else "no case holds, and there is no otherwise"
    return _user(plan, Code.BRANCH_FAILED, f"{branch_name(plan.node, plan.path)}: {message}")


def _user(plan: NodePlan, code: str, message: str) -> Failure:
    return failures.user(code, message, origin=FailureOrigin(node_path=plan.path))
