"""Eager nodes: a task that launches other nodes while it runs; each of its calls is a scope of its own.

A call is known by its record in the store, which the attempt wrote, and over by its outcome there, which the operator writes.
Both are written once, so that every later attempt, and every other cluster, sees the same.
"""

from limosa_engine import endings, expansion, resolve, scopes
from limosa_engine.commands import CommitCall, ReadCall
from limosa_engine.events import CallCommitted, CallMade, CallRead, MadeGraph
from limosa_engine.graph import NodePlan
from limosa_engine.nodes import dynamic, task
from limosa_engine.phases import NODE_TERMINAL
from limosa_engine.regrowth import short_digest
from limosa_engine.scopes import call_waiter
from limosa_engine.state import RUN_NODE, Growth, NodeRecord, Outcome
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Runs the task as a task node does. When that is over, calls that are not are ended, and then the node ends."""
    if record.items and record.items[0].phase in NODE_TERMINAL:
        for number in plan.calls:
            endings.end_scope(turn, number)
        if not any(turn.state.scopes[number].open_nodes for number in plan.calls):
            task.conclude(turn, plan, record)
        return
    too_deep = None if record.items else dynamic.depth_refusal(turn, plan)
    if too_deep is not None:
        expansion.refuse(turn, plan, record, too_deep)
    else:
        task.advance(turn, plan, record)


def called(turn: Turn, event: CallMade) -> None:
    """An attempt made a call: its record is read, unless the call is known."""
    number = turn.graph.by_path.get(event.node_path)
    if number is None or not turn.graph.nodes[number].makes_calls:
        return
    key = number, event.call
    if turn.state.nodes[number].phase not in NODE_TERMINAL and key not in turn.state.eager.heard:
        turn.state.eager.heard[key] = False
        turn.emit(ReadCall(turn.graph.nodes[number].item, event.call))


def call_read(turn: Turn, event: CallRead) -> None:
    """The record of a call was read: the run grows by it, unless it is over or may not run."""
    number = turn.graph.by_path[event.item.node_path]
    plan, record, key = turn.graph.nodes[number], turn.state.nodes[number], (number, event.call)
    # After the loss of a cluster calls may be told of before the node's own turn has come again.
    begun = bool(record.items) and record.items[0].phase not in NODE_TERMINAL and record.ending is None
    if turn.state.eager.heard.get(key) is not False:
        return
    if not begun or event.graph is None:
        # Without a record there is no call, whatever was said; who said it says it again.
        del turn.state.eager.heard[key]
        return
    turn.state.eager.heard[key] = True
    if event.over:
        return
    refusal = dynamic.refusal_of(turn, plan, event.graph, event.call)
    if refusal is None:
        _grow(turn, plan, event.call, event.graph)
    else:
        _write(turn, plan, event.call, None, refusal)


def settle_call(turn: Turn, number: int) -> None:
    """Writes the outcome of a call whose node has ended, as soon as what it gave is at hand."""
    state, around, scope = turn.state, turn.graph.scopes[number], turn.state.scopes[number]
    if around.owner is None or scope.open_nodes or scope.outcome is not Outcome.OPEN:
        return
    plan = turn.graph.nodes[around.owner]
    if scope.failure is not None:
        if not state.refreshing:
            scope.outcome = Outcome.WRITING
            _write(turn, plan, around.call, None, scope.failure)
        return
    if scope.aborted:
        return
    found = resolve.scope_outputs(turn, number, call_waiter(number))
    if found is None:
        return
    state.values.release(call_waiter(number))
    scope.outcome = Outcome.WRITING
    if isinstance(found, Failure):
        _write(turn, plan, around.call, None, found)
    else:
        _write(turn, plan, around.call, LiteralMap(literals=found), None)


def look_again(turn: Turn) -> None:
    """After a restart: outcomes that are perhaps not written are, with failures complete."""
    for number in turn.graph.grown:
        if turn.graph.scopes[number].call:
            turn.mark(call_waiter(number))


def committed(turn: Turn, event: CallCommitted) -> None:
    """The outcome of a call is in the store, this one or one that was there."""
    number = turn.graph.by_path.get(f"{event.item.node_path}/{event.call}")
    if number is not None:
        turn.state.scopes[turn.graph.nodes[number].scope].outcome = Outcome.WRITTEN


def store_failed(turn: Turn, command: ReadCall | CommitCall, retryable: bool) -> None:
    """The store gave no answer: an outcome is written again; a record is read again when the call is made known again."""
    if isinstance(command, ReadCall):
        key = turn.graph.by_path[command.item.node_path], command.call
        if turn.state.eager.heard.get(key) is False:
            del turn.state.eager.heard[key]
    elif retryable:
        when = turn.now + turn.settings.store_backoff
        turn.state.eager.retries.append((when, command))
        turn.state.timers.add(when, RUN_NODE)


def _grow(turn: Turn, plan: NodePlan, call: str, made: MadeGraph) -> None:
    graph, state = turn.graph, turn.state
    before = len(graph.nodes)
    scope = graph.grow(plan.number, made.closure, call)
    state.follow(graph)
    state.growths.append(Growth(plan.number, short_digest(made.digest), len(graph.nodes) - before, call))
    turn.tell(plan.number, None, f"calls {call}")
    turn.run_touched = True
    scopes.start(turn, scope)


def _write(
    turn: Turn, plan: NodePlan, call: str, outputs: LiteralMap | None, failure: Failure | None
) -> None:
    turn.emit(CommitCall(plan.item, call, outputs, failure))
