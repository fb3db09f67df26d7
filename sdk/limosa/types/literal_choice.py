"""Literal["a", "b"]: one of the values named; texts are a closed set on the wire too."""

from typing import Any

from limosa.types.converter import TypeProblem, ValueProblem, literal_mismatch, type_name
from limosa.types.registry import element_types, literal_type, to_literal, to_python
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, UnionValue
from limosa_idl.core.v1alpha1.types_pb2 import EnumType, LiteralType, UnionType


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        kinds = _kinds(python_type)
        if len(kinds) == 1:
            return _type_of(*next(iter(kinds.items())))
        union = UnionType()
        for kind, choices in kinds.items():
            union.variants.add(tag=type_name(kind), type=_type_of(kind, choices))
        return LiteralType(union_type=union)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        kinds = _kinds(python_type)
        if value not in kinds.get(type(value), ()):
            shown = repr(value)
            raise ValueProblem(
                f"expected {_shown(python_type)}, got {type_name(type(value))} {shown[:80]}",
                "give one of these values",
            )
        literal = (
            Literal(enum_value=value) if type(value) is str else to_literal(value, type(value), transfer)
        )
        if len(kinds) == 1:
            return literal
        return Literal(union_value=UnionValue(tag=type_name(type(value)), value=literal))

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        kinds = _kinds(python_type)
        inner = literal.union_value.value if literal.WhichOneof("value") == "union_value" else literal
        for kind, choices in kinds.items():
            try:
                value = to_python(inner, kind, transfer)
            except ValueProblem:
                continue
            if value in choices and type(value) is kind:
                return value
        raise literal_mismatch(_shown(python_type), inner)


def _kinds(python_type: Any) -> dict[type, list[Any]]:
    """The values by their classes, both in the order in which they were written."""
    kinds: dict[type, list[Any]] = {}
    for value in element_types(python_type):
        kinds.setdefault(type(value), []).append(value)
    if not kinds:
        raise TypeProblem("Literal names no values", 'write Literal["a", "b"]')
    return kinds


def _type_of(kind: type, choices: list[Any]) -> LiteralType:
    if kind is str:
        return LiteralType(enum_type=EnumType(values=choices))
    return literal_type(kind)


def _shown(python_type: Any) -> str:
    return f"Literal[{', '.join(map(repr, element_types(python_type)))}]"


CONVERTER = _Converter()
