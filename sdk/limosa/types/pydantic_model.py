"""pydantic models: records whose values pydantic checks; fields of types that only pydantic knows travel as its JSON."""

import functools
import json
from collections.abc import Callable, Set
from typing import Annotated, Any, get_args

import pydantic
from pydantic.fields import FieldInfo

from limosa.types import registry
from limosa.types.converter import TypeProblem, ValueProblem, mismatch, type_name
from limosa.types.json_data import JSON
from limosa.types.records import Field, RecordConverter
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
from limosa_model import values

_BY_NAME = "by_name" in (pydantic.BaseModel.model_validate.__kwdefaults__ or ())
"""Older versions know fields with an alias by that only."""


class _Converter(RecordConverter):
    noun = "model"

    def fields(self, python_type: Any) -> list[Field]:
        return _fields_of(python_type)

    def names(self, python_type: Any) -> Set[str]:
        return set(python_type.model_fields)

    def parts(self, value: Any, python_type: Any) -> dict[str, Any]:
        found = super().parts(value, python_type)
        for name in value.model_extra or ():
            message = f"{type_name(python_type)} does not declare the field '{name}'"
            raise ValueProblem(message, "declare it, or keep such data in a field of type dict")
        return found

    def made(self, python_type: Any, parts: dict[str, Any]) -> Any:
        try:
            if issubclass(python_type, pydantic.RootModel):
                return python_type.model_validate(parts["root"])
            if _BY_NAME:
                return python_type.model_validate(parts, by_alias=False, by_name=True)
            fields = python_type.model_fields
            return python_type.model_validate(
                {_alias(name, fields[name]): part for name, part in parts.items()}
            )
        except pydantic.ValidationError as error:
            raise _refused(error, type_name(python_type)) from error


class _AsJson:
    """A field by pydantic's own JSON, which has to give the same value again."""

    def __init__(self, annotation: Any, place: str) -> None:
        self._adapter = pydantic.TypeAdapter(annotation)
        self._place = place

    def literal_type(self, python_type: Any) -> LiteralType:
        return JSON

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        try:
            data = self._adapter.dump_python(value, mode="json", warnings="error")
            again = self._adapter.validate_json(json.dumps(data))
        except (ValueError, TypeError) as error:
            raise mismatch(type_name(python_type), value) from error
        if again != value:
            message = f"pydantic's JSON of the {type_name(type(value))} does not give the same value again"
            raise ValueProblem(message, f"give {self._place} a type such as str")
        return values.struct(_ordered(value, data))

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        try:
            return self._adapter.validate_json(json.dumps(values.to_plain(literal)))
        except pydantic.ValidationError as error:
            raise _refused(error, self._place) from error


def _ordered(value: Any, data: Any) -> Any:
    """The JSON of a value with the elements of its sets sorted: equal values are to have equal cache keys."""
    if isinstance(data, dict):
        if isinstance(value, dict):
            parts = list(value.values())
        else:
            parts = [getattr(value, key, None) for key in data]
        if len(parts) == len(data):
            return {key: _ordered(part, data[key]) for key, part in zip(data, parts, strict=True)}
    is_set = isinstance(value, (set, frozenset))
    if isinstance(data, list) and (is_set or isinstance(value, (list, tuple))) and len(value) == len(data):
        items = [_ordered(part, item) for part, item in zip(value, data, strict=True)]
        return sorted(items, key=json.dumps) if is_set else items
    return data


def reference_schema(cls: type) -> Any:
    """How pydantic takes a File or Directory: as it is, or the path of one."""
    from pydantic_core import core_schema

    path = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
    return core_schema.union_schema(
        [core_schema.is_instance_schema(cls), path],
        serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.uri),
    )


@functools.cache
def _fields_of(python_type: Any) -> list[Field]:
    return [_field(name, info, python_type) for name, info in python_type.model_fields.items()]


def _field(name: str, info: FieldInfo, model: Any) -> Field:
    converter: Any = registry
    try:
        if _reaches(info.annotation, model, set()):
            raise TypeProblem(f"the model {type_name(model)} contains itself")
        registry.literal_type(info.annotation)
    except TypeProblem as problem:
        noted: Any = Annotated
        parts = (info.annotation, *info.metadata)
        annotation = noted[parts] if info.metadata else info.annotation
        try:
            converter = _AsJson(annotation, f"{type_name(model)}.{name}")
        except pydantic.errors.PydanticUserError:
            raise TypeProblem(
                f"field {type_name(model)}.{name}: {problem.message}", problem.remedy
            ) from problem
    default, optional = _default(info)
    return Field(name, info.annotation, default, optional, converter)


def _default(info: FieldInfo) -> tuple[Callable[[], Any] | None, bool]:
    """The default that a spec can hold, and whether pydantic has to make it in the run."""
    if info.is_required():
        return None, False
    if info.default_factory is None:
        return lambda: info.default, False
    # Others may give something else each time.
    if info.default_factory in (list, dict, str, int, float, bool):
        return info.default_factory, False
    return None, True


def _reaches(annotation: Any, model: Any, seen: set[Any]) -> bool:
    """Whether a type is made of a model: then it would be a record without end."""
    if annotation is model:
        return True
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        if annotation in seen:
            return False
        seen.add(annotation)
        return any(_reaches(info.annotation, model, seen) for info in annotation.model_fields.values())
    return any(_reaches(part, model, seen) for part in get_args(annotation))


def _refused(error: pydantic.ValidationError, what: str) -> ValueProblem:
    """The first of pydantic's complaints, with the way to the part that it is about."""
    first = error.errors(include_url=False)[0]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
    message = f"{what} refuses {first['input']!r:.80}: {first['msg']}"
    return ValueProblem(message, "give a value that it accepts", path)


def _alias(name: str, info: FieldInfo) -> str:
    alias = info.validation_alias
    if isinstance(alias, pydantic.AliasChoices):
        alias = next((choice for choice in alias.choices if isinstance(choice, str)), None)
    return alias if isinstance(alias, str) else name


CONVERTER = _Converter()
