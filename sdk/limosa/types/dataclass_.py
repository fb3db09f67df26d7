"""Dataclasses: records with named, typed fields, nested as the author likes."""

import dataclasses
import functools
from contextvars import ContextVar
from typing import Any, get_args, get_type_hints

from limosa.types.converter import TypeProblem, ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.registry import literal_type, to_literal, to_python
from limosa.types.transfer import NoTransfer, TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType, RecordType
from limosa_model import values

_under_way: "ContextVar[tuple[type, ...]]" = ContextVar("limosa_records", default=())


def dataclass_in(python_type: Any) -> type | None:
    """The first dataclass among a type and what it is made of."""
    if isinstance(python_type, type) and dataclasses.is_dataclass(python_type):
        return python_type
    return next((found for part in get_args(python_type) if (found := dataclass_in(part))), None)


class _Converter:
    def literal_type(self, python_type: type) -> LiteralType:
        outer = _under_way.get()
        if python_type in outer:
            message = f"the dataclass {type_name(python_type)} contains itself"
            raise TypeProblem(message, "give the parts as list[dict], or flatten it")
        token = _under_way.set((*outer, python_type))
        try:
            return self._record_type(python_type)
        finally:
            _under_way.reset(token)

    def _record_type(self, python_type: type) -> LiteralType:
        record = RecordType(name=f"{python_type.__module__}.{python_type.__qualname__}")
        for field, field_type in fields_of(python_type):
            place = f"{type_name(python_type)}.{field.name}"
            nowhere = NoTransfer(f"the default of field {place}", "leave the field without a default")
            try:
                made = record.fields.add(name=field.name, type=literal_type(field_type))
                default = _default(field)
                if default is not dataclasses.MISSING:
                    made.default_value.CopyFrom(to_literal(default, field_type, nowhere))
            except TypeProblem as error:
                raise TypeProblem(f"field {place}: {error.message}", error.remedy) from error
            except (ValueProblem, ValueError) as error:
                raise TypeProblem(f"the default of field {place}: {error}") from error
        return LiteralType(record=record)

    def to_literal(self, value: Any, python_type: type, transfer: TransferContext) -> Literal:
        if not isinstance(value, python_type):
            raise mismatch(type_name(python_type), value)
        fields = {}
        for field, field_type in fields_of(python_type):
            try:
                fields[field.name] = to_literal(getattr(value, field.name), field_type, transfer)
            except (ValueProblem, ValueError) as error:
                raise ValueProblem.inside(f".{field.name}", error) from error
        return values.record(fields)

    def to_python(self, literal: Literal, python_type: type, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") != "record":
            raise literal_mismatch(type_name(python_type), literal)
        given = literal.record.fields
        arguments = {}
        for field, field_type in fields_of(python_type):
            if field.name in given:
                try:
                    arguments[field.name] = to_python(given[field.name], field_type, transfer)
                except (ValueProblem, ValueError) as error:
                    raise ValueProblem.inside(f".{field.name}", error) from error
            elif _default(field) is dataclasses.MISSING:
                raise ValueProblem(f"the record lacks the field '{field.name}' of {type_name(python_type)}")
        return python_type(**arguments)


@functools.cache
def fields_of(python_type: type) -> list[tuple["dataclasses.Field[Any]", Any]]:
    """The fields that `__init__` takes, each with its resolved type."""
    hints = get_type_hints(python_type)
    return [(field, hints[field.name]) for field in dataclasses.fields(python_type) if field.init]


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


CONVERTER = _Converter()
