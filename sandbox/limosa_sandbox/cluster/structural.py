"""Structural schemas: pruning, defaulting and validation of objects against OpenAPI v3.

Custom resources use all of it; built-in kinds use the same for unknown fields and types. Rules written in CEL
(``x-kubernetes-validations``) are kept and published but not evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from limosa_sandbox.cluster.errors import Cause, duplicate, required, unsupported

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_ROOT_FIELDS = ("apiVersion", "kind", "metadata")


class Schema:
    """One node of a schema tree; children are made when first asked for, so schemas may refer to themselves.

    Args:
        raw: The OpenAPI schema.
        definitions: What ``$ref`` points to, by name.
        root: Whether this describes a whole object, whose ``apiVersion``, ``kind`` and ``metadata`` are always known.
    """

    def __init__(
        self, raw: dict[str, Any], definitions: Mapping[str, Schema] | None = None, root: bool = False
    ) -> None:
        self.raw = raw
        self._definitions = definitions or {}
        self._root = root or bool(raw.get("x-kubernetes-embedded-resource"))

    @cached_property
    def target(self) -> Schema:
        """This schema, or the definition it refers to."""
        reference = self.raw.get("$ref")
        if reference is None and len(self.raw.get("allOf") or ()) == 1 and "properties" not in self.raw:
            reference = self.raw["allOf"][0].get("$ref")
        return self._definitions[reference.rpartition("/")[2]].target if reference else self

    @cached_property
    def type(self) -> str | None:
        """JSON type, None when any value fits."""
        value = self.target.raw.get("type")
        return value if isinstance(value, str) else None

    @cached_property
    def properties(self) -> dict[str, Schema]:
        """Schemas of the named fields."""
        raw = self.target.raw.get("properties") or {}
        return {name: Schema(node, self._definitions) for name, node in raw.items()}

    @cached_property
    def items(self) -> Schema | None:
        """Schema of a list's entries."""
        raw = self.target.raw.get("items")
        return Schema(raw, self._definitions) if isinstance(raw, dict) else None

    @cached_property
    def additional(self) -> Schema | None:
        """Schema of a map's values."""
        raw = self.target.raw.get("additionalProperties")
        if raw is True:
            return _ANYTHING
        return Schema(raw, self._definitions) if isinstance(raw, dict) else None

    @cached_property
    def is_open(self) -> bool:
        """Whether fields that are not named are kept."""
        raw = self.target.raw
        return bool(raw.get("x-kubernetes-preserve-unknown-fields")) or (
            "properties" not in raw and "additionalProperties" not in raw
        )

    @cached_property
    def _keeps_unknown(self) -> bool:
        return bool(self.target.raw.get("x-kubernetes-preserve-unknown-fields"))

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        text = self.raw.get("pattern")
        return re.compile(text) if text else None

    @cached_property
    def _branches(self) -> list[tuple[str, list[Schema]]]:
        return [
            (word, [Schema(node, self._definitions) for node in self.raw[word]])
            for word in ("allOf", "anyOf", "oneOf")
            if self.raw.get(word)
        ]

    # -- pruning and defaulting ---------------------------------------------------------------------------------

    def completed(self, value: Any) -> Any:
        """Return a value without unknown fields and with defaults; unchanged parts are shared, nothing changes in place."""
        if isinstance(value, dict):
            return self._completed_map(value)
        if isinstance(value, list) and self.items is not None:
            entries = [self.items.completed(entry) for entry in value]
            return entries if any(a is not b for a, b in zip(entries, value, strict=True)) else value
        return value

    def _completed_map(self, value: dict[str, Any]) -> dict[str, Any]:
        properties, additional = self.properties, self.additional
        result: dict[str, Any] = {}
        changed = False
        for name, entry in value.items():
            if self._root and name in _ROOT_FIELDS:
                result[name] = entry
                continue
            child = properties.get(name) or additional
            if child is None:
                if self._keeps_unknown:
                    result[name] = entry
                else:
                    changed = True
                continue
            if entry is None and not child.raw.get("nullable"):
                changed = True
                continue
            fitted = child.completed(entry)
            changed = changed or fitted is not entry
            result[name] = fitted
        for name, child in properties.items():
            if name not in result and "default" in child.raw:
                result[name] = child.completed(child.raw["default"])
                changed = True
        return result if changed else value

    def unknown(self, value: Any, path: str = "") -> Iterator[str]:
        """Yield the paths of fields that the schema does not know."""
        if isinstance(value, dict):
            for name, entry in value.items():
                if self._root and name in _ROOT_FIELDS:
                    continue
                place = f"{path}.{name}" if path else name
                child = self.properties.get(name) or self.additional
                if child is not None:
                    yield from child.unknown(entry, place)
                elif not self._keeps_unknown and self.type == "object":
                    yield place
        elif isinstance(value, list) and self.items is not None:
            for index, entry in enumerate(value):
                yield from self.items.unknown(entry, f"{path}[{index}]")

    # -- validation ---------------------------------------------------------------------------------------------

    def check(self, value: Any, path: str = "") -> list[Cause]:
        """Return everything that is wrong with a value."""
        raw = self.raw
        if value is None:
            return [] if raw.get("nullable") or not self.type else [_wrong_type(path, value, self.type)]
        if raw.get("x-kubernetes-int-or-string"):
            if isinstance(value, bool) or not isinstance(value, (int, str)):
                return [_wrong_type(path, value, "integer,string")]
        elif self.type and not _is_type(value, self.type):
            return [_wrong_type(path, value, self.type)]
        causes = self._check_enum(value, path)
        if isinstance(value, dict):
            causes += self._check_map(value, path)
        elif isinstance(value, list):
            causes += self._check_list(value, path)
        elif isinstance(value, str):
            causes += self._check_text(value, path)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            causes += self._check_number(value, path)
        return causes + self._check_branches(value, path)

    def _check_enum(self, value: Any, path: str) -> list[Cause]:
        allowed = self.raw.get("enum")
        if allowed is None or value in allowed:
            return []
        return [unsupported(path, value, [str(option) for option in allowed])]

    def _check_map(self, value: dict[str, Any], path: str) -> list[Cause]:
        raw = self.raw
        causes = [required(_join(path, name)) for name in raw.get("required") or () if name not in value]
        for name, entry in value.items():
            if self._root and name in _ROOT_FIELDS:
                continue
            child = self.properties.get(name)
            if child is not None:
                causes += child.check(entry, _join(path, name))
            elif self.additional is not None:
                causes += self.additional.check(entry, _join(path, name))
        if len(value) > raw.get("maxProperties", len(value)):
            causes.append(_broken(path, value, f"should have at most {raw['maxProperties']} properties"))
        if len(value) < raw.get("minProperties", 0):
            causes.append(_broken(path, value, f"should have at least {raw['minProperties']} properties"))
        return causes

    def _check_list(self, value: list[Any], path: str) -> list[Cause]:
        raw = self.raw
        causes: list[Cause] = []
        if len(value) > raw.get("maxItems", len(value)):
            message = f"Too many: {len(value)}: must have at most {raw['maxItems']} items"
            causes.append(Cause(path, "FieldValueTooMany", message))
        if len(value) < raw.get("minItems", 0):
            causes.append(_broken(path, len(value), f"should have at least {raw['minItems']} items"))
        if self.items is not None:
            for index, entry in enumerate(value):
                causes += self.items.check(entry, f"{path}[{index}]")
        seen: list[Any] = []
        list_type = raw.get("x-kubernetes-list-type")
        if list_type in ("set", "map"):
            keys = raw.get("x-kubernetes-list-map-keys") or []
            for index, entry in enumerate(value):
                identity = (
                    {key: entry.get(key) for key in keys}
                    if list_type == "map" and isinstance(entry, dict)
                    else entry
                )
                if identity in seen:
                    causes.append(duplicate(f"{path}[{index}]", identity))
                seen.append(identity)
        return causes

    def _check_text(self, value: str, path: str) -> list[Cause]:
        raw = self.raw
        causes: list[Cause] = []
        if len(value) > raw.get("maxLength", len(value)):
            causes.append(
                Cause(path, "FieldValueTooLong", f"Too long: may not be more than {raw['maxLength']} bytes")
            )
        if len(value) < raw.get("minLength", 0):
            causes.append(_broken(path, value, f"should be at least {raw['minLength']} chars long"))
        if self._pattern is not None and not self._pattern.search(value):
            causes.append(_broken(path, value, f"should match '{raw['pattern']}'"))
        if raw.get("format") == "date-time" and not _is_date_time(value):
            causes.append(_broken(path, value, f'must be of type date-time: "{value}"'))
        return causes

    def _check_number(self, value: float, path: str) -> list[Cause]:
        raw = self.raw
        causes: list[Cause] = []
        low, high = raw.get("minimum"), raw.get("maximum")
        if low is not None and (value < low or (raw.get("exclusiveMinimum") and value == low)):
            than = "greater than" if raw.get("exclusiveMinimum") else "greater than or equal to"
            causes.append(_broken(path, value, f"should be {than} {low}"))
        if high is not None and (value > high or (raw.get("exclusiveMaximum") and value == high)):
            than = "less than" if raw.get("exclusiveMaximum") else "less than or equal to"
            causes.append(_broken(path, value, f"should be {than} {high}"))
        if raw.get("format") == "int32" and not -(2**31) <= value < 2**31:
            causes.append(_broken(path, value, "must be of type int32"))
        step = raw.get("multipleOf")
        if step and value % step:
            causes.append(_broken(path, value, f"should be a multiple of {step}"))
        return causes

    def _check_branches(self, value: Any, path: str) -> list[Cause]:
        causes: list[Cause] = []
        for word, branches in self._branches:
            results = [branch.check(value, path) for branch in branches]
            fitting = sum(1 for result in results if not result)
            if word == "allOf":
                causes += [cause for result in results for cause in result]
            elif word == "anyOf" and not fitting:
                causes += [*results[0], _broken(path, value, "must validate at least one schema (anyOf)")]
            elif word == "oneOf" and fitting != 1:
                found = "Found none valid" if not fitting else f"Found {fitting} valid alternatives"
                causes.append(_broken(path, value, f"must validate one and only one schema (oneOf). {found}"))
        inverse = self.raw.get("not")
        if inverse and not Schema(inverse, self._definitions).check(value, path):
            causes.append(_broken(path, value, "must not validate the schema (not)"))
        return causes


_ANYTHING = Schema({"x-kubernetes-preserve-unknown-fields": True})


def _is_type(value: Any, type_: str) -> bool:
    if type_ in ("integer", "number") and isinstance(value, bool):
        return False
    if type_ == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(type_, (object,)))


def _is_date_time(text: str) -> bool:
    try:
        datetime.fromisoformat(re.sub(r"\.\d+", "", text.replace("Z", "+00:00")))
    except ValueError:
        return False
    return "T" in text


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def type_name(value: Any) -> str:
    """Return the JSON type of a value as error messages call it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for name in ("object", "array", "string", "integer", "number"):
        if isinstance(value, _TYPES[name]):
            return name
    return type(value).__name__


def _wrong_type(path: str, value: Any, expected: str) -> Cause:
    message = f'Invalid value: "{type_name(value)}": {path} in body must be of type {expected}: "{type_name(value)}"'
    return Cause(path, "FieldValueTypeInvalid", message)


def _broken(path: str, value: Any, rule: str) -> Cause:
    shown = (
        f'"{value}"' if isinstance(value, str) else ("" if isinstance(value, (dict, list)) else str(value))
    )
    return Cause(path, "FieldValueInvalid", f"Invalid value: {shown}: {path} in body {rule}")
