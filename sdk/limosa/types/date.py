"""date: days of the calendar; a datetime is none."""

import datetime as dt
from typing import Any

from limosa.types.converter import literal_mismatch, mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_DATE, LiteralType
from limosa_model import values


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(simple=SIMPLE_TYPE_DATE)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
            raise mismatch("date", value)
        return values.date(value)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.primitive.WhichOneof("value") != "date":
            raise literal_mismatch("date", literal)
        return values.to_date(literal.primitive.date)


CONVERTER = _Converter()
