"""The outputs of a map as one: joined in memory where they are few, else by whoever can stream them."""

from limosa_engine.commands import CollectMap
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NodePhase
from limosa_engine.state import NodeRecord
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_model import bindings, values
from limosa_model.pod_contract import INLINE_OUTPUTS_LIMIT


def collected(turn: Turn, plan: NodePlan, record: NodeRecord, waiter: int) -> LiteralMap | None:
    """Of each output, the items' values in index order; None while they are being collected."""
    rows = _rows(turn, plan, record)
    if rows is None:
        if turn.state.values.want((plan.number, -1), waiter):
            collect(turn, plan.number)
        return None
    made = LiteralMap()
    for variable in plan.runs.interface.outputs:
        column = [_value(plan, row, variable.name) for row in rows]
        made.literals[variable.name].CopyFrom(values.collection(column))
    for position in range(len(record.items)):
        turn.state.values.drop((plan.number, position))
    return made


def _rows(turn: Turn, plan: NodePlan, record: NodeRecord) -> list[LiteralMap | None] | None:
    """The outputs of each item, None for a failed one; None where not all are at hand, or they are large together."""
    rows: list[LiteralMap | None] = []
    size = 0
    for position, item in enumerate(record.items):
        if item.phase is not NodePhase.SUCCEEDED:
            rows.append(None)
            continue
        known = turn.state.values.get((plan.number, position))
        if not isinstance(known, LiteralMap):
            return None
        size += known.ByteSize()
        if size > INLINE_OUTPUTS_LIMIT:
            return None
        rows.append(known)
    return rows


def collect(turn: Turn, number: int) -> None:
    """Asks for a map's outputs as one; they arrive for whoever waits for them."""
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    missing = (at for at, item in enumerate(record.items) if item.phase is not NodePhase.SUCCEEDED)
    outputs = tuple(variable.name for variable in plan.runs.interface.outputs)
    turn.emit(CollectMap(plan.item, len(record.items), tuple(missing), outputs))


def _value(plan: NodePlan, row: LiteralMap | None, name: str) -> Literal:
    if row is None:
        return values.none()
    if name not in row.literals:
        raise bindings.BindingError(f"an item of {plan.path} gave no output '{name}'")
    return row.literals[name]
