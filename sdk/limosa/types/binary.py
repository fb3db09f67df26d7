"""bytes: as they are."""

from typing import Any

from limosa.types.converter import literal_mismatch, mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_BYTES, LiteralType
from limosa_model import values


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(simple=SIMPLE_TYPE_BYTES)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, bytes):
            raise mismatch("bytes", value)
        return values.bytes_(value)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.primitive.WhichOneof("value") != "bytes_value":
            raise literal_mismatch("bytes", literal)
        return literal.primitive.bytes_value


CONVERTER = _Converter()
