"""str: Unicode text."""

from typing import Any

from limosa.types.converter import literal_mismatch, mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_STRING, LiteralType
from limosa_model import values


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(simple=SIMPLE_TYPE_STRING)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, str):
            raise mismatch("str", value)
        return values.string(value)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") == "enum_value":
            return literal.enum_value
        if literal.primitive.WhichOneof("value") != "string_value":
            raise literal_mismatch("str", literal)
        return literal.primitive.string_value


CONVERTER = _Converter()
