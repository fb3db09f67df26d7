"""JSON-like data of any shape: what the elements of a list without their type are."""

from typing import Any

from limosa.types.converter import ValueProblem, literal_mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_JSON, LiteralType
from limosa_model import values
from limosa_model.types import conforms

JSON = LiteralType(simple=SIMPLE_TYPE_JSON)


class JsonData:
    """Stands for the type of None, bool, int, float, str, and lists and dicts of them."""


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(simple=SIMPLE_TYPE_JSON)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        try:
            return values.struct(value)
        except ValueError as error:
            place, _, message = str(error).partition(": ")
            raise ValueProblem(message, path=place.removeprefix("$")) from None

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if conforms(literal, JSON) is not None:
            raise literal_mismatch("JSON-like data", literal)
        return values.to_plain(literal)


CONVERTER = _Converter()
