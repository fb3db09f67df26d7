"""From a ready node to its items."""

from limosa_engine import caching, endings, launches, scopes, slots
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NodePhase
from limosa_engine.state import Ending, ItemRecord, NodeRecord
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_model import failures
from limosa_model.failures import Code


def open_items(turn: Turn, plan: NodePlan, record: NodeRecord, count: int) -> None:
    """A node whose inputs are there becomes `count` queued items; pods that exist already are adopted."""
    turn.state.values.release(plan.number)
    record.waiting = None
    if not record.items:
        record.items = [ItemRecord() for _ in range(count)]
        asks = caching.is_to_be_asked(plan, record.items[0])
        (record.unasked if asks else record.ready).extend(range(count))
        reason = turn.waiting(None, caching.LOOKUP if asks else "Capacity")
        for item in record.items:
            item.waiting = reason
        # It no longer waits for its values, which may have come in a turn that changed nothing else.
        turn.touched_nodes[plan.number] = None
        if turn.state.unclaimed:
            for position in range(count):
                launches.adopt(turn, turn.place(plan.number, position))
    if record.unasked:
        caching.offer(turn, plan.number)
    slots.offer(turn, plan.number)


def all_launched(record: NodeRecord) -> bool:
    """After a restart: the pods of all items exist, so that the inputs are not needed (yet)."""
    return bool(record.items) and not record.ready and not record.unasked


def wait_for_values(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """A node's inputs are being read from the store."""
    record.waiting = turn.waiting(record.waiting, "Values")
    turn.touched_nodes[plan.number] = None


def deadline_failure(plan: NodePlan) -> Failure:
    """The node's deadline passed while it had no items, or a graph inside it ran."""
    message = f"{plan.path} did not finish within its deadline of {plan.deadline or 0:g} s"
    return failures.user(
        Code.NODE_DEADLINE, message, origin=FailureOrigin(node_path=plan.path, task=plan.target)
    )


def refuse(turn: Turn, plan: NodePlan, record: NodeRecord, failure: Failure) -> None:
    """A node cannot run: its inputs cannot be had, or make no sense."""
    if not failure.HasField("origin"):
        failure.origin.node_path = plan.path
    if record.items:
        # Only after a restart, when pods may run: the node fails with the last of them.
        record.failure = failure
        scopes.fail_around(turn, plan, failure)
        endings.end_items(turn, plan, record, Ending.ABORT)
    else:
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, failure)
        scopes.skip_inside(turn, plan)
