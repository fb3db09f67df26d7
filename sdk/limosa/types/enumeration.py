"""Enums: by the value where all values are strings, else by the name."""

import enum
from typing import Any

from limosa.types.converter import ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import EnumType, LiteralType


class _Converter:
    def literal_type(self, python_type: type[enum.Enum]) -> LiteralType:
        return LiteralType(enum_type=EnumType(values=list(_members(python_type))))

    def to_literal(self, value: Any, python_type: type[enum.Enum], transfer: TransferContext) -> Literal:
        for text, member in _members(python_type).items():
            if value is member or (isinstance(value, str) and value == text):
                return Literal(enum_value=text)
        raise mismatch(f"{type_name(python_type)} ({', '.join(_members(python_type))})", value)

    def to_python(
        self, literal: Literal, python_type: type[enum.Enum], transfer: TransferContext
    ) -> enum.Enum:
        if literal.WhichOneof("value") != "enum_value":
            raise literal_mismatch(type_name(python_type), literal)
        members = _members(python_type)
        if literal.enum_value not in members:
            raise ValueProblem(
                f"'{literal.enum_value}' is not one of {type_name(python_type)}'s values: {', '.join(members)}"
            )
        return members[literal.enum_value]


def _members(python_type: type[enum.Enum]) -> dict[str, enum.Enum]:
    by_value = all(isinstance(member.value, str) for member in python_type)
    return {member.value if by_value else member.name: member for member in python_type}


CONVERTER = _Converter()
