"""Bindings into literals."""

from collections.abc import Callable, Iterable, Mapping

from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Accessor, BindingData
from limosa_model import values
from limosa_model.types import name_of


class BindingError(ValueError):
    """A binding points at something the value does not have."""


def resolve(
    data: BindingData, output: Callable[[str, str], Literal], inputs: Mapping[str, Literal]
) -> Literal:
    """The value a binding stands for.

    Args:
        data: The binding.
        output: Gives the literal of (node id, output name) in the binding's scope.
        inputs: Inputs of the workflow around the node.

    Raises:
        BindingError: A name, key or position does not exist.
    """
    kind = data.WhichOneof("value")
    if kind == "literal":
        return data.literal
    if kind == "output":
        return follow(output(data.output.node, data.output.output), data.output.path)
    if kind == "input":
        if data.input.name not in inputs:
            raise BindingError(f"the workflow has no input '{data.input.name}'")
        return follow(inputs[data.input.name], data.input.path)
    if kind == "collection":
        return values.collection([resolve(item, output, inputs) for item in data.collection.items])
    if kind == "map_value":
        items = sorted(data.map_value.items.items())
        return values.literal_map({key: resolve(item, output, inputs) for key, item in items})
    if kind == "failure":
        raise BindingError("the failure, which is told to the node when it runs")
    raise BindingError("a binding without a value")


def follow(literal: Literal, path: Iterable[Accessor]) -> Literal:
    """Steps into a value: record fields, map keys, list positions. Raises BindingError."""
    for accessor in path:
        literal = _step(literal, accessor)
    return literal


def outputs_of(data: BindingData) -> Iterable[tuple[str, str]]:
    """Every (node id, output name) a binding reads."""
    kind = data.WhichOneof("value")
    if kind == "output":
        yield data.output.node, data.output.output
    elif kind == "collection":
        for item in data.collection.items:
            yield from outputs_of(item)
    elif kind == "map_value":
        for item in data.map_value.items.values():
            yield from outputs_of(item)


def _step(literal: Literal, accessor: Accessor) -> Literal:
    kind = literal.WhichOneof("value")
    if kind == "union_value":
        return _step(literal.union_value.value, accessor)
    if kind == "struct_value":
        return _step_struct(literal, accessor)
    if accessor.WhichOneof("kind") == "position":
        if kind != "collection":
            raise BindingError(f"[{accessor.position}] needs a list, got {name_of(literal)}")
        items = literal.collection.literals
        if not -len(items) <= accessor.position < len(items):
            raise BindingError(f"[{accessor.position}] is out of range: the list has {len(items)} items")
        return items[accessor.position]
    if kind == "record":
        fields: Mapping[str, Literal] = literal.record.fields
    elif kind == "map_value":
        fields = literal.map_value.literals
    else:
        raise BindingError(f"'{accessor.key}' needs a record or dict, got {name_of(literal)}")
    if accessor.key not in fields:
        raise BindingError(
            f"there is no '{accessor.key}': the value has {', '.join(sorted(fields)) or 'nothing'}"
        )
    return fields[accessor.key]


def _step_struct(literal: Literal, accessor: Accessor) -> Literal:
    plain = values.from_value(literal.struct_value)
    key = accessor.key if accessor.WhichOneof("kind") == "key" else accessor.position
    try:
        inner = plain[key]
    except (KeyError, IndexError, TypeError):
        raise BindingError(f"[{key!r}] is not in the dict") from None
    if inner is None:
        return values.none()
    if isinstance(inner, bool):
        return values.boolean(inner)
    if isinstance(inner, int):
        return values.integer(inner)
    if isinstance(inner, float):
        return values.float_(inner)
    return values.string(inner) if isinstance(inner, str) else values.struct(inner)
