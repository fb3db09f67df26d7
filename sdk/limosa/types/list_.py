"""list[T]: elements in order, each of one type; list: JSON-like data."""

from typing import Any

from limosa.types.converter import ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.floating import takes_only_float
from limosa.types.json_data import JsonData
from limosa.types.registry import element_types, literal_type, to_literal, to_python
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralCollection
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(collection=literal_type(_element(python_type)))

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, list):
            raise mismatch(type_name(python_type), value)
        element = _element(python_type)
        no_int = takes_only_float(element)
        literals = []
        for position, item in enumerate(value):
            try:
                if no_int and type(item) is int:
                    raise mismatch("float", item)
                literals.append(to_literal(item, element, transfer))
            except (ValueProblem, ValueError) as error:
                raise ValueProblem.inside(f"[{position}]", error) from error
        return Literal(collection=LiteralCollection(literals=literals))

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") != "collection":
            raise literal_mismatch(type_name(python_type), literal)
        element = _element(python_type)
        items = []
        for position, item in enumerate(literal.collection.literals):
            try:
                items.append(to_python(item, element, transfer))
            except (ValueProblem, ValueError) as error:
                raise ValueProblem.inside(f"[{position}]", error) from error
        return items


def _element(python_type: Any) -> Any:
    arguments = element_types(python_type)
    return JsonData if not arguments or arguments[0] is Any else arguments[0]


CONVERTER = _Converter()
