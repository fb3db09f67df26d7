"""Records: named, typed fields, whichever kind of class holds them."""

from collections.abc import Callable, Sequence, Set
from contextvars import ContextVar
from typing import Any, NamedTuple

from limosa.types import registry
from limosa.types.converter import TypeProblem, ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.transfer import NoTransfer, TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType, RecordType
from limosa_model import values

_under_way: "ContextVar[tuple[type, ...]]" = ContextVar("limosa_records", default=())


class Field(NamedTuple):
    """One field of a class."""

    name: str
    python_type: Any
    default: Callable[[], Any] | None = None
    """Gives the value where there is none; None: the field has no default that a spec could hold."""
    optional: bool = False
    """Whether a value may lack it, and its class then does what it likes."""
    converter: Any = registry
    """What converts it: a Converter, or the registry's choice."""


class RecordConverter:
    """What is the same for all of them; each kind of class says what its fields are, and how it is read and made."""

    noun = "class"

    def fields(self, python_type: Any) -> Sequence[Field]:
        """The fields that make a value, in order. Raises TypeProblem."""
        raise NotImplementedError

    def names(self, python_type: Any) -> Set[str]:
        """The names of all fields of a class, supported or not."""
        raise NotImplementedError

    def parts(self, value: Any, python_type: Any) -> dict[str, Any]:
        """The values of the fields that a value has. Raises ValueProblem when it is none of the class."""
        if not isinstance(value, python_type):
            name = type_name(python_type)
            remedy = f"write {name}(**…)" if isinstance(value, dict) else ""
            raise ValueProblem(mismatch(name, value).message, remedy)
        lost = self.names(type(value)) - self.names(python_type)
        if lost:
            kind = type_name(type(value))
            message = (
                f"expected {type_name(python_type)}, got {kind}, whose field '{min(lost)}' would be lost"
            )
            raise ValueProblem(message, f"annotate it as {kind}")
        return {field.name: getattr(value, field.name) for field in self.fields(python_type)}

    def made(self, python_type: Any, parts: dict[str, Any]) -> Any:
        """The value of a class from its fields. Raises ValueProblem."""
        return python_type(**parts)

    def literal_type(self, python_type: Any) -> LiteralType:
        """The record on the wire. Raises TypeProblem."""
        outer = _under_way.get()
        if python_type in outer:
            message = f"the {self.noun} {type_name(python_type)} contains itself"
            raise TypeProblem(message, "give the parts as list[dict], or flatten it")
        token = _under_way.set((*outer, python_type))
        try:
            return self._record_type(python_type)
        finally:
            _under_way.reset(token)

    def _record_type(self, python_type: Any) -> LiteralType:
        record = RecordType(name=f"{python_type.__module__}.{python_type.__qualname__}")
        for field in self.fields(python_type):
            place = f"{type_name(python_type)}.{field.name}"
            nowhere = NoTransfer(f"the default of field {place}", "leave the field without a default")
            try:
                kind = field.converter.literal_type(field.python_type)
                made = record.fields.add(name=field.name, type=kind, optional=field.optional)
                if field.default is not None:
                    default = field.converter.to_literal(field.default(), field.python_type, nowhere)
                    made.default_value.CopyFrom(default)
            except TypeProblem as error:
                raise TypeProblem(f"field {place}: {error.message}", error.remedy) from error
            except (ValueProblem, ValueError) as error:
                raise TypeProblem(f"the default of field {place}: {error}") from error
        return LiteralType(record=record)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        """The literal of a value. Raises ValueProblem."""
        parts = self.parts(value, python_type)
        fields = {}
        for field in self.fields(python_type):
            if field.name in parts:
                try:
                    fields[field.name] = field.converter.to_literal(
                        parts[field.name], field.python_type, transfer
                    )
                except (ValueProblem, ValueError) as error:
                    raise ValueProblem.inside(f".{field.name}", error) from error
        return values.record(fields)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        """The value of a literal. Raises ValueProblem."""
        if literal.WhichOneof("value") != "record":
            raise literal_mismatch(type_name(python_type), literal)
        given = literal.record.fields
        parts = {}
        for field in self.fields(python_type):
            if field.name in given:
                try:
                    parts[field.name] = field.converter.to_python(
                        given[field.name], field.python_type, transfer
                    )
                except (ValueProblem, ValueError) as error:
                    raise ValueProblem.inside(f".{field.name}", error) from error
            elif field.default is None and not field.optional:
                raise ValueProblem(f"the record lacks the field '{field.name}' of {type_name(python_type)}")
        return self.made(python_type, parts)
