"""Map nodes: one item per element of the mapped inputs."""

from limosa_engine import endings, expansion, resolve, scopes
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NodePhase
from limosa_engine.size import map_size, worst_case_size
from limosa_engine.state import Ending, NodeRecord
from limosa_engine.turn import Turn
from limosa_engine.values import Inputs
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_model import failures
from limosa_model.failures import Code


def advance(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    """Expands, ends with the last item; a failed item may end the others."""
    if record.failure is not None and record.open_items and record.is_hopeless(plan):
        scopes.fail_around(turn, plan, record.failure)
        if turn.graph.scopes[plan.scope].fails_immediately:
            endings.end_items(turn, plan, record, Ending.ABORT)
    if record.items and not record.open_items:
        _conclude(turn, plan, record)
    elif record.inputs is None and record.ending is None and not expansion.all_launched(record):
        _expand(turn, plan, record)


def _expand(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    found = resolve.node_inputs(turn, plan, plan.number)
    if isinstance(found, Failure):
        expansion.refuse(turn, plan, record, found)
        return
    refusal = None if found is None or record.items else _too_long(turn, plan, found)
    if refusal is not None:
        expansion.refuse(turn, plan, record, refusal)
        return
    loaded = None if found is None else resolve.mapped(turn, plan, found)
    if isinstance(loaded, Failure):
        expansion.refuse(turn, plan, record, loaded)
        return
    if loaded is None:
        expansion.wait_for_values(turn, plan, record)
        return
    count = _length(plan, loaded)
    if isinstance(count, Failure):
        expansion.refuse(turn, plan, record, count)
        return
    refusal = None if record.items else _admit(turn, plan, count)
    if refusal is not None:
        expansion.refuse(turn, plan, record, refusal)
        return
    if record.items and len(record.items) != count:
        message = f"{plan.path} had {len(record.items)} items before the restart and {count} now"
        expansion.refuse(turn, plan, record, failures.system(Code.INTERNAL, message, retryable=False))
        return
    record.inputs = loaded
    if count == 0:
        scopes.finish_node(turn, plan, record, NodePhase.SUCCEEDED)
        return
    if not record.items:
        turn.state.items += count
    expansion.open_items(turn, plan, record, count)


def _conclude(turn: Turn, plan: NodePlan, record: NodeRecord) -> None:
    if not record.aborted and not record.is_hopeless(plan) and record.ending is not Ending.DEADLINE:
        scopes.finish_node(turn, plan, record, NodePhase.SUCCEEDED)
    elif record.failure is not None:
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, record.failure)
    elif record.aborted:
        scopes.finish_node(turn, plan, record, NodePhase.ABORTED)
    else:
        # The deadline passed, and yet every item ended well.
        scopes.finish_node(turn, plan, record, NodePhase.SUCCEEDED)


def _length(plan: NodePlan, inputs: Inputs) -> int | Failure:
    lengths: dict[str, int] = {}
    for name in sorted(plan.mapped):
        literal = inputs.get(name)
        if literal is None or literal.WhichOneof("value") != "collection":
            return _user(
                plan, Code.MAP_LENGTHS, f"input '{name}' of {_named(plan)} is not a list to map over"
            )
        lengths[name] = len(literal.collection.literals)
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
        message = f"{_named(plan)} maps over lists of different lengths: {listed}; make them equally long"
        return _user(plan, Code.MAP_LENGTHS, message)
    return next(iter(lengths.values()), 0)


def _too_long(turn: Turn, plan: NodePlan, inputs: Inputs) -> Failure | None:
    """Why a list is too long by what is said of it, before it is read; where nothing or too little is said, its bytes decide."""
    counts = [inputs[name].offloaded.length for name in plan.mapped if name in inputs]
    return _admit(turn, plan, max(counts)) if any(counts) else None


def _admit(turn: Turn, plan: NodePlan, count: int) -> Failure | None:
    total, most = len(turn.state.nodes) + turn.state.items + count, turn.settings.graph_nodes
    if total > most:
        message = (
            f"{plan.path} maps over {count:,} elements: with them the run has {total:,} nodes and items, "
            f"at most {most:,} are allowed; give each item more work, or split the run"
        )
        return _user(plan, Code.MAP_TOO_LARGE, message)
    size = worst_case_size(turn.graph) + map_size(turn.state.items + count)
    limit = turn.settings.state_limit_bytes
    if size <= limit:
        return None
    message = (
        f"{plan.path} maps over {count} elements: with them the run's state may take {size:,} bytes, "
        f"more than the {limit:,} that Kubernetes can hold; give each item more work, or split the run"
    )
    return _user(plan, Code.MAP_TOO_LARGE, message)


def _named(plan: NodePlan) -> str:
    """The node, with its line in the author's file where that is known."""
    source = plan.node.source
    return f"{plan.path} ({source.file}:{source.line})" if source.file else plan.path


def _user(plan: NodePlan, code: str, message: str) -> Failure:
    return failures.user(code, message, origin=FailureOrigin(node_path=plan.path, task=plan.target))
