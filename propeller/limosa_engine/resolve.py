"""Bindings into literals, as far as the values are in memory; what is not is read and waited for."""

from collections.abc import Iterator, Mapping

from limosa_engine import maps
from limosa_engine.commands import LoadValue, ReadCommit
from limosa_engine.graph import NodePlan
from limosa_engine.kinds import KINDS, Gives
from limosa_engine.phases import NodePhase
from limosa_engine.turn import Place, Turn
from limosa_engine.values import Inputs, Key
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.core.v1alpha1.interface_pb2 import Interface
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.workflow.v1alpha1.workflow_pb2 import BindingData, InputRef, OutputRef
from limosa_model import bindings, failures
from limosa_model.failures import Code
from limosa_model.large_values import too_large
from limosa_model.workflow_errors import error_literal

Resolved = Inputs | Failure | None
"""The values; why there never will be any; or None: they are being read for the waiter."""


_NOTHING: Inputs = {}


class _Missing(Exception):
    """A value is being read."""


class _Unreadable(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def node_inputs(turn: Turn, plan: NodePlan, waiter: int) -> Resolved:
    """What a node's bindings stand for, complete with its task's or workflow's defaults."""
    given = _bindings(turn, plan.scope, plan.node.inputs, waiter, plan)
    if given is None or isinstance(given, Failure):
        return given
    interface = _interface(turn, plan)
    return given if interface is None else _complete(interface, given, plan)


def node_outputs(turn: Turn, number: int, waiter: int) -> Resolved:
    """The outputs of a node that SUCCEEDED."""
    try:
        return _outputs(turn, number, waiter)
    except _Unreadable as unreadable:
        return unreadable.failure


def scope_outputs(turn: Turn, number: int, waiter: int) -> Resolved:
    """What the outputs of a scope's workflow stand for; of scope 0, the run's."""
    return _bindings(turn, number, turn.graph.scopes[number].workflow.outputs, waiter, None)


def load(turn: Turn, literal: Literal, waiter: int) -> Literal | None:
    """An offloaded literal's content, any other literal itself; None while it is being read. Raises _Unreadable."""
    if literal.WhichOneof("value") != "offloaded":
        return literal
    uri = literal.offloaded.uri
    found = turn.state.values.get(uri)
    if isinstance(found, Literal):
        return found
    size, most = literal.offloaded.size, turn.settings.value_bytes
    if size > most:
        raise _Unreadable(failures.user(Code.VALUE_TOO_LARGE, too_large("its value", size, most)))
    if turn.state.values.want(uri, waiter):
        turn.emit(LoadValue(uri, literal.offloaded.digest, most))
    return None


def mapped(turn: Turn, plan: NodePlan, inputs: Inputs) -> Resolved:
    """A map's inputs with the mapped ones in memory; None while they are being read."""
    found = loaded(turn, plan, {name: inputs[name] for name in inputs if name in plan.mapped})
    return found if found is None or isinstance(found, Failure) else {**inputs, **found}


def operands(turn: Turn, plan: NodePlan, *, by_length: bool = False) -> Resolved:
    """What a node decides by, in memory; None while some of it is being read.

    Args:
        turn: The step.
        plan: The node.
        by_length: Lists whose length is told beside them stay where they are.
    """
    found = node_inputs(turn, plan, plan.number)
    if found is None or isinstance(found, Failure):
        return found
    told = {
        name: literal for name, literal in found.items() if by_length and 0 < literal.offloaded.length < 2**63
    }
    rest = loaded(turn, plan, {name: literal for name, literal in found.items() if name not in told})
    return rest if rest is None or isinstance(rest, Failure) else {**rest, **told}


def loaded(turn: Turn, plan: NodePlan, inputs: Inputs) -> Resolved:
    """A node's inputs, all in memory; None while some are being read."""
    found: dict[str, Literal] = {}
    for name, literal in inputs.items():
        try:
            content = load(turn, literal, plan.number)
        except _Unreadable as unreadable:
            return _named(unreadable.failure, name, plan)
        if content is not None:
            found[name] = content
    return found if len(found) == len(inputs) else None


def item_inputs(place: Place) -> LiteralMap:
    """What one launch gets: of mapped inputs the item's element, of the others the value."""
    inputs = place.record.inputs or {}
    mapped = place.plan.mapped
    if not mapped:
        return LiteralMap(literals=inputs)
    return LiteralMap(
        literals={
            name: literal.collection.literals[place.position] if name in mapped else literal
            for name, literal in inputs.items()
        }
    )


def _bindings(turn: Turn, scope: int, wanted: object, waiter: int, plan: NodePlan | None) -> Resolved:
    broken = turn.state.values.broken(waiter)
    if broken is not None:
        return broken
    complete: dict[str, Literal] | None = {}
    for binding in wanted:  # type: ignore[attr-defined]
        try:
            value = _binding(turn, scope, binding.data, waiter)
        except _Unreadable as unreadable:
            return _named(unreadable.failure, binding.name, plan)
        except bindings.BindingError as error:
            return _failure(Code.BINDING, f"{_place(plan)}'{binding.name}': {error}", plan)
        if value is None:
            complete = None
        elif complete is not None:
            complete[binding.name] = value
    return complete


def _binding(turn: Turn, scope: int, data: BindingData, waiter: int) -> Literal | None:
    """The value of one binding. Asks for everything it lacks, so that one round of reads is enough."""
    lacking, inputs = False, _NOTHING
    for reference in _references(data):
        try:
            literal = _referred(turn, scope, reference, waiter)
            if isinstance(reference, InputRef):
                inputs = _scope_inputs(turn, scope, waiter)
        except _Missing:
            lacking = True
            continue
        if reference.path and load(turn, literal, waiter) is None:
            lacking = True
    if lacking:
        return None
    kind = data.WhichOneof("value")
    if kind in ("output", "input"):
        # The common case; only a path needs what an offloaded value holds.
        simple = data.output if kind == "output" else data.input
        literal = _referred(turn, scope, simple, waiter)
        return bindings.follow(_loaded(turn, literal), simple.path) if simple.path else literal

    if kind == "failure":
        return _error_of(turn, scope)

    def output(node: str, name: str) -> Literal:
        return _loaded(turn, _referred(turn, scope, OutputRef(node=node, output=name), waiter))

    return bindings.resolve(data, output, inputs)


def _error_of(turn: Turn, scope: int) -> Literal | None:
    """What an on-failure node is told: its scope's first failure, or that of the nearest scope around it.

    None while messages are being read again after a restart.
    """
    if turn.state.refreshing:
        return None
    around: int | None = scope
    while around is not None:
        failure = turn.state.scopes[around].failure
        if failure is not None:
            return error_literal(failure)
        owner = turn.graph.scopes[around].owner
        around = None if owner is None else turn.graph.nodes[owner].scope
    return error_literal(turn.state.failure or Failure())


def _loaded(turn: Turn, literal: Literal) -> Literal:
    """The content of an offloaded literal where it happens to be in memory, else the literal."""
    if literal.WhichOneof("value") != "offloaded":
        return literal
    found = turn.state.values.get(literal.offloaded.uri)
    return found if isinstance(found, Literal) else literal


def _references(data: BindingData) -> Iterator[OutputRef | InputRef]:
    kind = data.WhichOneof("value")
    if kind == "output":
        yield data.output
    elif kind == "input":
        yield data.input
    elif kind == "collection":
        for item in data.collection.items:
            yield from _references(item)
    elif kind == "map_value":
        for item in data.map_value.items.values():
            yield from _references(item)


def _referred(turn: Turn, scope: int, reference: OutputRef | InputRef, waiter: int) -> Literal:
    if isinstance(reference, InputRef):
        inputs = _scope_inputs(turn, scope, waiter)
        if reference.name not in inputs:
            raise bindings.BindingError(f"the workflow has no input '{reference.name}'")
        return inputs[reference.name]
    number = turn.graph.scopes[scope].by_id[reference.node]
    outputs = _outputs(turn, number, waiter)
    if outputs is None:
        raise _Missing
    if reference.output not in outputs:
        path = turn.graph.nodes[number].path
        raise bindings.BindingError(f"node {path} gave no output '{reference.output}'")
    return outputs[reference.output]


def _scope_inputs(turn: Turn, scope: int, waiter: int) -> Inputs:
    owner = turn.graph.scopes[scope].owner
    if owner is None:
        return turn.graph.inputs
    if turn.graph.nodes[owner].makes_graph or turn.graph.scopes[scope].call:
        return _NOTHING
    record = turn.state.scopes[scope]
    if record.inputs is None:
        found = node_inputs(turn, turn.graph.nodes[owner], waiter)
        if found is None:
            raise _Missing
        if isinstance(found, Failure):
            raise _Unreadable(found)
        record.inputs = found
    return record.inputs


def _outputs(turn: Turn, number: int, waiter: int) -> Inputs | None:
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    gives = KINDS[plan.kind].gives
    if gives is Gives.COMMIT:
        found = _committed(turn, plan, 0, waiter)
        return None if found is None else found.literals
    if gives is Gives.CASE:
        taken = next(
            (case for case in plan.cases if turn.state.nodes[case].phase is NodePhase.SUCCEEDED), None
        )
        if taken is None:
            raise bindings.BindingError(f"branch {plan.path} took no case")
        return _outputs(turn, taken, waiter)
    known = turn.state.values.get((number, -1))
    if isinstance(known, LiteralMap):
        return known.literals
    made = (
        maps.collected(turn, plan, record, waiter) if gives is Gives.ITEMS else _projected(turn, plan, waiter)
    )
    if made is not None:
        turn.state.values.put((number, -1), made)
    return None if made is None else made.literals


def _committed(turn: Turn, plan: NodePlan, position: int, waiter: int) -> LiteralMap | None:
    key: Key = (plan.number, position)
    found = turn.state.values.get(key)
    if isinstance(found, LiteralMap):
        return found
    if turn.state.values.want(key, waiter):
        turn.emit(ReadCommit(plan.item_at(position)))
    return None


def _projected(turn: Turn, plan: NodePlan, waiter: int) -> LiteralMap | None:
    """A sub-workflow's outputs."""
    body = plan.body
    if body is None:
        raise TypeError(f"{plan.path} has no body")
    made = _bindings(turn, body, turn.graph.scopes[body].workflow.outputs, waiter, plan)
    if isinstance(made, Failure):
        raise _Unreadable(made)
    return None if made is None else LiteralMap(literals=made)


def _interface(turn: Turn, plan: NodePlan) -> Interface | None:
    if plan.task is not None:
        return plan.task.interface
    return None if plan.body is None else turn.graph.scopes[plan.body].workflow.interface


def _complete(interface: Interface, given: Mapping[str, Literal], plan: NodePlan) -> Inputs | Failure:
    complete: dict[str, Literal] = {}
    for variable in interface.inputs:
        if variable.name in given:
            complete[variable.name] = given[variable.name]
        elif variable.HasField("default_value"):
            complete[variable.name] = variable.default_value
        else:
            return _failure(Code.BAD_INPUT, f"{_place(plan)}input '{variable.name}' has no value", plan)
    return complete


def _named(failure: Failure, name: str, plan: NodePlan | None) -> Failure:
    """A failure that says whose value it is about, unless it says so."""
    if failure.HasField("origin"):
        return failure
    return _failure(failure.code, f"{_place(plan)}'{name}': {failure.message}", plan)


def _place(plan: NodePlan | None) -> str:
    return "output " if plan is None else f"{plan.path} ({plan.node.display_name or plan.target}): "


def _failure(code: str, message: str, plan: NodePlan | None) -> Failure:
    origin = FailureOrigin() if plan is None else FailureOrigin(node_path=plan.path, task=plan.target)
    return failures.user(code, message, origin=origin)
