"""Task nodes: one item."""

from limosa_engine import expansion, resolve, scopes
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NODE_TERMINAL, NodePhase
from limosa_engine.state import NodeRecord
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Gets the inputs, queues the item, ends with it."""
    if record.items and record.items[0].phase in NODE_TERMINAL:
        conclude(turn, plan, record)
        return
    if record.inputs is not None or record.ending is not None or expansion.all_launched(record):
        return
    found = resolve.node_inputs(turn, plan, plan.number)
    if found is None:
        expansion.wait_for_values(turn, plan, record)
    elif isinstance(found, Failure):
        expansion.refuse(turn, plan, record, found)
    else:
        record.inputs = found
        expansion.open_items(turn, plan, record, 1)


def conclude(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """The node ends as its one item did."""
    item = record.items[0]
    if item.phase is NodePhase.FAILED:
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, item.failure)
    elif item.phase is NodePhase.ABORTED and record.failure is not None:
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, record.failure)
    else:
        scopes.finish_node(turn, plan, record, item.phase)
