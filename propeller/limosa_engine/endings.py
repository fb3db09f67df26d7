"""Ending nodes and scopes before their time."""

from limosa_engine import children, items, launches, slots
from limosa_engine.graph import NodePlan
from limosa_engine.kinds import KINDS
from limosa_engine.phases import NODE_TERMINAL
from limosa_engine.state import Check, Ending, NodeRecord
from limosa_engine.turn import Place, Turn


def end_scope(turn: Turn, number: int) -> None:
    """Ends every node that stands in a scope; each is looked at in this step."""
    record = turn.state.scopes[number]
    if record.ending:
        return
    record.ending = True
    plan = turn.graph.scopes[number]
    for node in plan.by_id.values():
        end_node(turn, node)
    if plan.handler is not None and not record.started:
        # Nothing has run that it could tidy up after.
        end_node(turn, plan.handler)


def end_node(turn: Turn, number: int) -> None:
    """Ends a node, and what is inside it, as aborted: at once or when its pods have ended."""
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    if record.phase in NODE_TERMINAL or record.ending is not None:
        return
    turn.mark(number)
    if plan.task is not None or KINDS[plan.kind].is_child:
        end_items(turn, plan, record, Ending.ABORT)
    record.ending = Ending.ABORT
    for case in plan.cases:
        end_node(turn, case)
    for inside in ([] if plan.body is None else [plan.body]) + plan.calls:
        end_scope(turn, inside)


def end_items(turn: Turn, plan: NodePlan, record: NodeRecord, why: Ending) -> None:
    """Ends all items of a node: at once those without a pod, the others once their pod has ended."""
    if record.ending is not None:
        return
    record.ending = why
    for position, item in enumerate(record.items):
        if item.phase in NODE_TERMINAL:
            continue
        place = Place(plan, record, position, item)
        if item.launch is not None:
            launches.end(turn, place, item.launch, why)
            continue
        if KINDS[plan.kind].is_child:
            children.end(turn, place)
            continue
        if item.check is Check.OUT:
            item.check = Check.DONE
            slots.free(turn, place)
        items.close(turn, place, why)
