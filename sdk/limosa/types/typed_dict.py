"""TypedDict: a dict whose keys and their types are named; keys that need not be there are left out."""

import functools
from collections.abc import Set
from typing import Any, get_args, get_origin, get_type_hints

from limosa.types.converter import ValueProblem, mismatch, type_name
from limosa.types.records import Field, RecordConverter

_QUALIFIERS = ("Required", "NotRequired", "ReadOnly")


class _Converter(RecordConverter):
    noun = "TypedDict"

    def fields(self, python_type: Any) -> list[Field]:
        return _fields_of(python_type)

    def names(self, python_type: Any) -> Set[str]:
        return {field.name for field in _fields_of(python_type)}

    def parts(self, value: Any, python_type: Any) -> dict[str, Any]:
        name = type_name(python_type)
        if not isinstance(value, dict):
            raise mismatch(name, value)
        known = {field.name: field for field in self.fields(python_type)}
        for key in value:
            if key not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise ValueProblem(f"{name} has no key {key!r}; {has}", "leave it out, or annotate with dict")
        for field in known.values():
            if field.name not in value and not field.optional:
                raise ValueProblem(f"the key '{field.name}' of {name} is missing", "add it")
        return value


@functools.cache
def _fields_of(python_type: Any) -> list[Field]:
    hints = get_type_hints(python_type, include_extras=True)
    optional = python_type.__optional_keys__
    return [
        Field(name, _bare(hint), optional=_is_optional(name, hint, optional)) for name, hint in hints.items()
    ]


def _is_optional(name: str, hint: Any, optional: frozenset[str]) -> bool:
    # Annotations that are strings are seen by get_type_hints only.
    while (qualifier := getattr(get_origin(hint), "_name", None)) in _QUALIFIERS:
        if qualifier != "ReadOnly":
            return bool(qualifier == "NotRequired")
        hint = get_args(hint)[0]
    return name in optional


def _bare(hint: Any) -> Any:
    while getattr(get_origin(hint), "_name", None) in _QUALIFIERS:
        hint = get_args(hint)[0]
    return hint


CONVERTER = _Converter()
