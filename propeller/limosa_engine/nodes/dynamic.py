"""Dynamic nodes: a task whose commit holds a graph, then that graph as a scope of its own."""

from limosa_engine import endings, expansion, handlers, scopes
from limosa_engine.commands import ReadCommit
from limosa_engine.events import MadeGraph
from limosa_engine.graph import GraphError, Names, NodePlan
from limosa_engine.nodes import subworkflow, task
from limosa_engine.phases import NodePhase
from limosa_engine.regrowth import short_digest
from limosa_engine.size import graph_size, map_size, worst_case_size
from limosa_engine.state import Ending, Growth, NodeRecord
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model import failures
from limosa_model.failures import Code


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Runs the task as a task node does; once its commit is known, grows the run by the graph and runs that."""
    if plan.body is not None:
        _with_body(turn, plan, record, plan.body)
        return
    if record.items and record.items[0].phase is NodePhase.SUCCEEDED:
        _made(turn, plan, record)
        return
    too_deep = None if record.items else depth_refusal(turn, plan)
    if too_deep is not None:
        expansion.refuse(turn, plan, record, too_deep)
    else:
        task.advance(turn, plan, record)


def depth_refusal(turn: Turn, plan: NodePlan) -> Failure | None:
    """Why a dynamic or eager node may not begin: it lies in too many others."""
    depth, most = plan.dynamic_depth, turn.settings.dynamic_depth
    if depth <= most:
        return None
    message = (
        f"{plan.path} lies in {depth} dynamic or eager nodes, at most {most} are allowed; "
        "end the recursion earlier, or have one of the tasks do more"
    )
    return _user(plan, Code.DYNAMIC_TOO_DEEP, message)


def past_deadline(turn: Turn, plan: NodePlan, record: NodeRecord, body: int) -> None:
    """The node's time is over while its graph runs: the graph is ended, then the node fails."""
    failure = expansion.deadline_failure(plan)
    record.failure = failure
    record.ending = Ending.DEADLINE
    scopes.fail_around(turn, plan, failure)
    endings.end_scope(turn, body)


def tell_again(turn: Turn, number: int) -> None:
    """After a restart: why the node failed by itself, of which the state has the code only."""
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    if record.failure is None:
        return
    if record.failure.code == Code.NODE_DEADLINE:
        # The same object stands in the scopes around it and in the run.
        record.failure.CopyFrom(expansion.deadline_failure(plan))
    elif plan.body is None and record.items and record.items[0].phase is NodePhase.SUCCEEDED:
        turn.state.refreshing.add(plan.item)
        turn.emit(ReadCommit(plan.item))


def _with_body(turn: Turn, plan: NodePlan, record: NodeRecord, body: int) -> None:
    if record.failure is not None and turn.state.scopes[body].open_nodes == 0:
        if not handlers.settled(turn, body):
            return
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, record.failure)
    else:
        subworkflow.advance(turn, plan, record)


def _made(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    made = turn.state.made_graphs.pop(plan.number, None)
    if record.ending is Ending.ABORT:
        scopes.finish_node(turn, plan, record, NodePhase.ABORTED)
        return
    if record.ending is Ending.DEADLINE:
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, expansion.deadline_failure(plan))
        return
    refusal = refusal_of(turn, plan, made)
    if made is None or refusal is not None:
        if record.phase is NodePhase.QUEUED:
            turn.set_node(plan, record, NodePhase.RUNNING)
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, refusal)
        return
    _grow(turn, plan, record, made)


def _grow(turn: Turn, plan: NodePlan, record: NodeRecord, made: MadeGraph) -> None:
    graph, state = turn.graph, turn.state
    before = len(graph.nodes)
    graph.grow(plan.number, made.closure)
    state.follow(graph)
    brought = len(graph.nodes) - before
    state.growths.append(Growth(plan.number, short_digest(made.digest), brought))
    turn.tell(plan.number, None, f"grows by {brought} nodes")
    turn.run_touched = True
    record.waiting = None
    body = graph.nodes[plan.number].body
    if body is None:
        raise TypeError(f"{plan.path} has no body")
    subworkflow.begin(turn, graph.nodes[plan.number], record, body, {})


def refusal_of(turn: Turn, plan: NodePlan, made: MadeGraph | None, call: str = "") -> Failure | None:
    """Why the graph in a node's commit, or of a call of an eager node, may not run; None where it may."""
    if made is None:
        message = (
            f"the commit of {plan.path} ({plan.target}) holds no graph, though its task is a dynamic one"
        )
        return failures.system(Code.CORRUPT_DATA, message, retryable=False, origin=_origin(plan))
    if made.refusal is not None:
        refusal = Failure()
        refusal.CopyFrom(made.refusal)
        refusal.origin.CopyFrom(_origin(plan))
        return refusal
    return _too_large(turn, plan, made.closure, call)


def _too_large(turn: Turn, plan: NodePlan, closure: Closure, call: str) -> Failure | None:
    try:
        count = Names(closure).unfolded_size()
    except GraphError as error:
        return _user(plan, Code.GRAPH_INVALID, f"the graph of {plan.path} ({plan.target}): {error}")
    state, most = turn.state, turn.settings.graph_nodes
    total = len(state.nodes) + state.items + count
    if total > most:
        message = (
            f"{plan.path} ({plan.target}) makes {count:,} nodes: with them the run has {total:,} nodes and items, "
            f"at most {most:,} are allowed; give each node more work, or split the run"
        )
        return _user(plan, Code.GRAPH_TOO_LARGE, message)
    together, room = turn.graph.grown_bytes + closure.ByteSize(), turn.settings.graph_bytes
    if together > room:
        message = (
            f"with the graph of {plan.path} ({plan.target}) those of the run's dynamic and eager nodes take {together:,} bytes, at most "
            f"{room:,} are allowed; use map_task for repeated work, or split the run"
        )
        return _user(plan, Code.GRAPH_TOO_LARGE, message)
    size = worst_case_size(turn.graph) + map_size(state.items) + graph_size(count, call)
    limit = turn.settings.state_limit_bytes
    if size > limit:
        message = (
            f"{plan.path} ({plan.target}) makes {count:,} nodes: with them the run's state may take {size:,} bytes, more "
            f"than the {limit:,} that Kubernetes can hold; use map_task for repeated work, or split the run"
        )
        return _user(plan, Code.GRAPH_TOO_LARGE, message)
    return None


def _user(plan: NodePlan, code: str, message: str) -> Failure:
    return failures.user(code, message, origin=_origin(plan))


def _origin(plan: NodePlan) -> FailureOrigin:
    return FailureOrigin(node_path=plan.path, task=plan.target)
