"""Launch plan nodes: a run of its own, whose end is the node's."""

from limosa_engine import children, expansion, resolve
from limosa_engine.graph import NodePlan
from limosa_engine.nodes import task
from limosa_engine.phases import NODE_TERMINAL
from limosa_engine.state import NodeRecord
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Gets the inputs, asks for the child, ends with it."""
    if record.items and record.items[0].phase in NODE_TERMINAL:
        task.conclude(turn, plan, record)
        return
    if record.inputs is not None or record.ending is not None:
        return
    found = resolve.node_inputs(turn, plan, plan.number)
    if found is None:
        expansion.wait_for_values(turn, plan, record)
    elif isinstance(found, Failure):
        expansion.refuse(turn, plan, record, found)
    else:
        children.ask(turn, plan.number, found)
