"""Sub-workflow nodes: a scope of their own."""

from limosa_engine import expansion, handlers, resolve, scopes
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NodePhase
from limosa_engine.state import NodeRecord
from limosa_engine.turn import Turn
from limosa_engine.values import Inputs
from limosa_idl.core.v1alpha1.failure_pb2 import Failure


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Starts the scope inside with its inputs, ends with it."""
    if plan.body is None:
        raise TypeError(f"{plan.path} has no body")
    scope = turn.state.scopes[plan.body]
    if not scope.started:
        found = resolve.node_inputs(turn, plan, plan.number)
        if found is None:
            expansion.wait_for_values(turn, plan, record)
            return
        if isinstance(found, Failure):
            expansion.refuse(turn, plan, record, found)
            return
        begin(turn, plan, record, plan.body, found)
    elif scope.open_nodes == 0 and handlers.settled(turn, plan.body):
        if scope.failure is not None:
            scopes.finish_node(turn, plan, record, NodePhase.FAILED, scope.failure)
        else:
            scopes.finish_node(
                turn, plan, record, NodePhase.ABORTED if scope.aborted else NodePhase.SUCCEEDED
            )


def begin(turn: Turn, plan: NodePlan, record: NodeRecord, body: int, inputs: Inputs) -> None:
    """Starts the scope inside a node."""
    turn.state.scopes[body].inputs = inputs
    record.waiting = None
    turn.state.values.release(plan.number)
    if record.phase is not NodePhase.RUNNING:
        turn.set_node(plan, record, NodePhase.RUNNING)
    turn.touched_nodes[plan.number] = None
    scopes.start(turn, body)
