"""None: the absence of a value."""

from typing import Any

from limosa.types.converter import literal_mismatch, mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_NONE, LiteralType
from limosa_model import values


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(simple=SIMPLE_TYPE_NONE)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if value is not None:
            raise mismatch("None", value)
        return values.none()

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") != "none":
            raise literal_mismatch("None", literal)
        return None


CONVERTER = _Converter()
