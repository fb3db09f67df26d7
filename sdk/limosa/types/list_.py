"""list[T]: elements in order, each of one type; list: JSON-like data."""

from typing import Any

from limosa.types.converter import ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.floating import takes_only_float
from limosa.types.json_data import JsonData
from limosa.types.registry import element_types, find, literal_type, to_literal, to_python
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(collection=literal_type(_element(python_type)))

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, list):
            raise mismatch(type_name(python_type), value)
        element = _element(python_type)
        no_int = takes_only_float(element)
        field = _plain_field(element)
        made = Literal()
        literals = made.collection.literals
        made.collection.SetInParent()
        for position, item in enumerate(value):
            try:
                if no_int and type(item) is int:
                    raise mismatch("float", item)
                if not (field and type(item) is element and _write(literals, field, item)):
                    literals.append(to_literal(item, element, transfer))
            except (ValueProblem, ValueError) as error:
                raise ValueProblem.inside(f"[{position}]", error) from error
        return made

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") != "collection":
            raise literal_mismatch(type_name(python_type), literal)
        element = _element(python_type)
        field = _plain_field(element)
        items = []
        for position, item in enumerate(literal.collection.literals):
            # What is not its field's default was written to that field.
            if field and (found := getattr(item.primitive, field)):
                items.append(found)
                continue
            try:
                items.append(to_python(item, element, transfer))
            except (ValueProblem, ValueError) as error:
                raise ValueProblem.inside(f"[{position}]", error) from error
        return items


_PLAIN = {
    int: ("limosa.types.integer", "integer"),
    float: ("limosa.types.floating", "float_value"),
    str: ("limosa.types.text", "string_value"),
    bool: ("limosa.types.boolean", "boolean"),
}
"""Element types whose values are a field of a primitive as they are: the modules of their converters, and the fields."""


def _plain_field(element: Any) -> str:
    """The field of elements that need no converter; empty where they need one."""
    if element not in _PLAIN:
        return ""
    module, field = _PLAIN[element]
    return field if type(find(element)).__module__ == module else ""


def _write(literals: Any, field: str, item: Any) -> bool:
    """Adds an element in place, for a message of its own costs ten times the memory and the time.

    False where it cannot be written; its converter says why.
    """
    try:
        setattr(literals.add().primitive, field, item)
    except ValueError:
        del literals[-1]
        return False
    return True


def _element(python_type: Any) -> Any:
    arguments = element_types(python_type)
    return JsonData if not arguments or arguments[0] is Any else arguments[0]


CONVERTER = _Converter()
