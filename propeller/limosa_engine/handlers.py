"""On-failure nodes: what a workflow runs when it has failed, after everything else in it has ended.

Such a node stands in its scope without being counted in it, and its outcome changes nothing but its own snapshot.
It runs also where the scope was ended because something around it failed, and never in a run that a person aborts.
"""

from limosa_engine import endings, scopes
from limosa_engine.phases import NODE_TERMINAL, RunPhase
from limosa_engine.turn import Turn


def settled(turn: Turn, number: int) -> bool:
    """Whether a scope, all of whose nodes have ended, is over: its on-failure node is begun, or skipped, first."""
    plan, scope = turn.graph.scopes[number], turn.state.scopes[number]
    if plan.handler is None:
        return True
    record = turn.state.nodes[plan.handler]
    if record.phase in NODE_TERMINAL:
        return True
    if record.active:
        return False
    failed = scope.failure is not None or scope.aborted > 0
    if not failed or turn.state.phase is RunPhase.ABORTING:
        scopes.skip(turn, plan.handler)
        return True
    record.active = True
    turn.tell(plan.handler, None, "the workflow has failed")
    turn.mark(plan.handler)
    return False


def abort(turn: Turn) -> None:
    """A person aborts the run: on-failure nodes that are under way end too."""
    for scope in turn.graph.scopes:
        if scope.handler is not None and turn.state.nodes[scope.handler].active:
            endings.end_node(turn, scope.handler)


def look_again(turn: Turn) -> None:
    """What on-failure nodes are told is complete now, after a restart."""
    for scope in turn.graph.scopes:
        if scope.handler is not None and turn.state.nodes[scope.handler].phase not in NODE_TERMINAL:
            turn.mark(scope.handler)
