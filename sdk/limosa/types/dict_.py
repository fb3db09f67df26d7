"""dict[str, T]: values of one type by name; and dict: JSON-like data whose integers stay integers."""

from typing import Any

from limosa.types.converter import TypeProblem, ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.floating import takes_only_float
from limosa.types.registry import element_types, literal_type, to_literal, to_python
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_STRUCT, LiteralType
from limosa_model import values


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        if _is_untyped(python_type):
            return LiteralType(simple=SIMPLE_TYPE_STRUCT)
        return LiteralType(map_value=literal_type(_element(python_type)))

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, dict):
            raise mismatch(type_name(python_type), value)
        if _is_untyped(python_type):
            return values.struct(value)
        element = _element(python_type)
        no_int = takes_only_float(element)
        literals = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueProblem(f"key {key!r} is {type_name(type(key))}; keys must be str")
            try:
                if no_int and type(item) is int:
                    raise mismatch("float", item)
                literals[key] = to_literal(item, element, transfer)
            except (ValueProblem, ValueError) as error:
                raise ValueProblem.inside(f"[{key!r}]", error) from error
        return values.literal_map(literals)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if _is_untyped(python_type):
            if literal.WhichOneof("value") != "struct_value":
                raise literal_mismatch("dict", literal)
            return values.from_value(literal.struct_value)
        if literal.WhichOneof("value") != "map_value":
            raise literal_mismatch(type_name(python_type), literal)
        element = _element(python_type)
        items = {}
        for key, item in values.in_order(literal.map_value.literals, literal.map_value.order):
            try:
                items[key] = to_python(item, element, transfer)
            except (ValueProblem, ValueError) as error:
                raise ValueProblem.inside(f"[{key!r}]", error) from error
        return items


def _is_untyped(python_type: Any) -> bool:
    arguments = element_types(python_type)
    return not arguments or arguments[1] is Any


def _element(python_type: Any) -> Any:
    key, element = element_types(python_type)
    if key is not str:
        raise TypeProblem(f"{type_name(python_type)} has {type_name(key)} keys", "use str keys")
    return element


CONVERTER = _Converter()
