"""float: doubles; an int is accepted and becomes one, but not among the elements of a list or dict."""

from typing import Any, get_args, get_origin

from limosa.types.converter import ValueProblem, literal_mismatch, mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_FLOAT, LiteralType
from limosa_model import values


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(simple=SIMPLE_TYPE_FLOAT)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise mismatch("float", value)
        return values.float_(_exact(value))

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        kind = literal.primitive.WhichOneof("value")
        if kind not in ("float_value", "integer"):
            raise literal_mismatch("float", literal)
        return float(getattr(literal.primitive, kind))


def takes_only_float(element: Any) -> bool:
    """Whether the elements of a list or dict are floats: who reads an int there would not find what was put there."""
    parts = get_args(element) if get_origin(element) not in (list, dict) else ()
    return element is float or (float in parts and int not in parts)


def _exact(value: "int | float") -> float:
    try:
        converted = float(value)
    except OverflowError:
        raise ValueProblem(f"an int of {int(value).bit_length()} bits is beyond the range of float") from None
    if converted != value and isinstance(value, int):
        raise ValueProblem(f"{value} is no exact float", "write float(…) if the nearest one is meant")
    return converted


CONVERTER = _Converter()
