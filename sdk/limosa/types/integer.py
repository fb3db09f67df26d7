"""int: 64-bit integers that stay integers; a bool is not one."""

from typing import Any

from limosa.types.converter import literal_mismatch, mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_model import values


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(simple=SIMPLE_TYPE_INTEGER)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, int) or isinstance(value, bool):
            raise mismatch("int", value)
        return values.integer(int(value))

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.primitive.WhichOneof("value") != "integer":
            raise literal_mismatch("int", literal)
        return literal.primitive.integer


CONVERTER = _Converter()
