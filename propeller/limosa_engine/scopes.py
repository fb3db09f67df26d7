"""What a node's end means for the nodes around it, its scope and the run."""

from limosa_engine import endings
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NodePhase, RunPhase
from limosa_engine.state import RUN_NODE, NodeRecord
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure


def call_waiter(number: int) -> int:
    """What stands for a call's scope where a node number is expected; the same gives the scope's number back."""
    return -2 - number


def start(turn: Turn, number: int) -> None:
    """The nodes of a scope may begin."""
    record, plan = turn.state.scopes[number], turn.graph.scopes[number]
    record.started = True
    for node in plan.by_id.values():
        if turn.state.nodes[node].pending == 0:
            turn.mark(node)
    if record.open_nodes == 0:
        turn.mark(RUN_NODE if plan.owner is None else plan.owner)


def fail(turn: Turn, number: int, failure: Failure) -> None:
    """A node of the scope fails, or is sure to. The scope's policy says what that means for the others."""
    record, plan = turn.state.scopes[number], turn.graph.scopes[number]
    if record.failure is None:
        record.failure = failure
        if plan.owner is None and turn.state.phase is RunPhase.RUNNING:
            turn.state.failure = failure
            turn.set_run(RunPhase.FAILING)
    if not plan.fails_immediately:
        return
    endings.end_scope(turn, number)
    # A call's failure is its outcome: what follows is the eager task's to decide.
    if plan.owner is not None and not plan.call:
        fail_around(turn, turn.graph.nodes[plan.owner], failure)


def fail_around(turn: Turn, plan: NodePlan, failure: Failure) -> None:
    """A node fails, or is sure to: so does its scope, unless the node is there for that."""
    if not plan.handles:
        fail(turn, plan.scope, failure)


def finish_node(
    turn: Turn, plan: NodePlan, record: NodeRecord, phase: NodePhase, failure: Failure | None = None
) -> None:
    """A node ends: whoever waits for it learns."""
    state = turn.state
    record.failure = failure
    record.waiting = record.inputs = None
    turn.set_node(plan, record, phase)
    record.digests = None
    state.values.release(plan.number)
    if phase is NodePhase.SKIPPED:
        state.nodes_skipped += 1
    state.nodes_done += phase is NodePhase.SUCCEEDED
    turn.run_touched = True
    for number in plan.dependents:
        dependent = state.nodes[number]
        if phase is NodePhase.SUCCEEDED:
            dependent.pending -= 1
        else:
            dependent.doomed = True
        if dependent.doomed or dependent.pending == 0:
            turn.mark(number)
    if failure is not None and phase is NodePhase.FAILED:
        fail_around(turn, plan, failure)
    if plan.parent is not None:
        turn.mark(plan.parent)
        return
    owner = turn.graph.scopes[plan.scope].owner
    if plan.handles:
        turn.mark(RUN_NODE if owner is None else owner)
        return
    scope = state.scopes[plan.scope]
    scope.open_nodes -= 1
    if phase is NodePhase.ABORTED:
        scope.aborted += 1
    if scope.open_nodes == 0:
        turn.mark(RUN_NODE if owner is None else owner)
        if turn.graph.scopes[plan.scope].call:
            turn.mark(call_waiter(plan.scope))


def skip(turn: Turn, number: int) -> None:
    """A node will not run, nor will anything inside it."""
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    if record.phase is NodePhase.WAITING:
        finish_node(turn, plan, record, NodePhase.SKIPPED)
        skip_inside(turn, plan)


def skip_inside(turn: Turn, plan: NodePlan) -> None:
    """Nothing inside a branch or sub-workflow will run."""
    for number in plan.cases:
        skip(turn, number)
    if plan.body is not None:
        turn.state.scopes[plan.body].ending = True
        inside = turn.graph.scopes[plan.body]
        for number in inside.by_id.values():
            skip(turn, number)
        if inside.handler is not None:
            skip(turn, inside.handler)
