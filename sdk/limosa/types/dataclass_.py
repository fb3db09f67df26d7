"""Dataclasses: records with named, typed fields, nested as the author likes."""

import dataclasses
import functools
from collections.abc import Callable, Set
from typing import Any, get_args, get_type_hints

from limosa.types.records import Field, RecordConverter


def dataclass_in(python_type: Any) -> type | None:
    """The first dataclass among a type and what it is made of."""
    if isinstance(python_type, type) and dataclasses.is_dataclass(python_type):
        return python_type
    return next((found for part in get_args(python_type) if (found := dataclass_in(part))), None)


class _Converter(RecordConverter):
    noun = "dataclass"

    def fields(self, python_type: Any) -> list[Field]:
        return fields_of(python_type)

    def names(self, python_type: Any) -> Set[str]:
        # A subclass that is no dataclass has the fields of the class above it.
        return {field.name for field in dataclasses.fields(python_type) if field.init}


@functools.cache
def fields_of(python_type: type) -> list[Field]:
    """The fields that `__init__` takes, each with its resolved type."""
    hints = get_type_hints(python_type)
    fields = dataclasses.fields(python_type)
    return [Field(one.name, hints[one.name], _default(one)) for one in fields if one.init]


def _default(field: "dataclasses.Field[Any]") -> Callable[[], Any] | None:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return None if field.default is dataclasses.MISSING else lambda: field.default


CONVERTER = _Converter()
