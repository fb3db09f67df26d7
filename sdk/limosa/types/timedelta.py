"""timedelta: lengths of time, exact to the microsecond."""

import datetime as dt
from typing import Any

from limosa.types.converter import literal_mismatch, mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_DURATION, LiteralType
from limosa_model import values


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(simple=SIMPLE_TYPE_DURATION)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, dt.timedelta):
            raise mismatch("timedelta", value)
        return values.duration(value)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.primitive.WhichOneof("value") != "duration":
            raise literal_mismatch("timedelta", literal)
        return values.to_timedelta(literal.primitive.duration)


CONVERTER = _Converter()
