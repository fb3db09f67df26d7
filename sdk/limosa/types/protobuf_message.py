"""Protobuf messages: by their canonical JSON, so that people and other languages can read them."""

import json
from typing import Any

from google.protobuf import json_format

from limosa.types.converter import TypeProblem, ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_JSON, LiteralType
from limosa_model import values


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        if python_type.DESCRIPTOR is None:
            raise TypeProblem("protobuf's Message is every message", "name the class of the one")
        return LiteralType(simple=SIMPLE_TYPE_JSON)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, python_type):
            raise mismatch(type_name(python_type), value)
        try:
            data = json_format.MessageToDict(value, preserving_proto_field_name=True)
            # A message's maps have no order: what it is to a cache must not depend on it.
            data = json.loads(json.dumps(data, sort_keys=True))
            again = json_format.ParseDict(data, python_type())
        except (json_format.Error, TypeError, ValueError) as error:
            raise ValueProblem(
                f"the {type_name(python_type)} has no JSON: {error}", "pass its bytes"
            ) from error
        # The bytes have what JSON leaves out: fields that this version of the message does not know.
        if again.SerializeToString(deterministic=True) != value.SerializeToString(deterministic=True):
            message = f"the {type_name(python_type)} has fields that its class does not know"
            raise ValueProblem(message, "generate the class from the newer .proto file, or pass bytes")
        return values.struct(data)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") != "struct_value":
            raise literal_mismatch(type_name(python_type), literal)
        data = values.from_value(literal.struct_value)
        try:
            return json_format.Parse(json.dumps(data), python_type())
        except json_format.Error as error:
            raise ValueProblem(f"it is no {type_name(python_type)}: {error}", "give its JSON") from error


CONVERTER = _Converter()
