"""Label and field selectors: text to a predicate over objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Kind, Object

Matcher = Callable[[Object], bool]

_SET = re.compile(r"^(?P<key>[^\s!=<>,()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)$")
_COMPARE = re.compile(r"^(?P<key>[^\s!=<>,()]+)\s*(?P<operator>==|!=|=|>|<)\s*(?P<value>[^\s!=<>,()]*)$")
_EXISTS = re.compile(r"^(?P<not>!?)\s*(?P<key>[^\s!=<>,()]+)$")
_KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")

_Labels = Callable[[dict[str, str]], bool]


@lru_cache(maxsize=1024)
def parse_labels(text: str) -> Matcher:
    """Return the predicate of a label selector such as ``app=a,tier in (x,y),!old``.

    Raises:
        ApiError: 400 when the text is not a label selector.
    """
    tests = [_label_test(part) for part in _split(text)]

    def matches(obj: Object) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def _split(text: str) -> list[str]:
    parts = re.split(r",(?![^()]*\))", text)
    stripped = [part.strip() for part in parts]
    return [part for part in stripped if part] if text.strip() else []


def _label_test(part: str) -> _Labels:
    if match := _SET.match(part):
        key = _checked_key(match["key"])
        values = frozenset(_checked_value(value.strip()) for value in match["values"].split(","))
        if match["operator"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _COMPARE.match(part):
        return _comparison(_checked_key(match["key"]), match["operator"], _checked_value(match["value"]))
    if match := _EXISTS.match(part):
        key = _checked_key(match["key"])
        if match["not"]:
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise ApiError(400, f"unable to parse requirement: {part!r} is not a label requirement")


def _comparison(key: str, operator: str, value: str) -> _Labels:
    if operator in ("=", "=="):
        return lambda labels: labels.get(key) == value
    if operator == "!=":
        return lambda labels: labels.get(key) != value
    try:
        bound = int(value)
    except ValueError:
        raise ApiError(
            400, f"unable to parse requirement: {value!r} must be an integer for {operator}"
        ) from None

    def compare(labels: dict[str, str]) -> bool:
        try:
            number = int(labels[key])
        except (KeyError, ValueError):
            return False
        return number > bound if operator == ">" else number < bound

    return compare


def _checked_key(key: str) -> str:
    if not _KEY.match(key):
        raise ApiError(400, f"unable to parse requirement: {key!r} is not a label key")
    return key


def _checked_value(value: str) -> str:
    if len(value) > 63 or not _VALUE.match(value):
        raise ApiError(400, f"unable to parse requirement: {value!r} is not a label value")
    return value


def parse_fields(text: str, kind: Kind) -> list[tuple[str, bool, str]]:
    """Return a field selector's requirements as ``(path, equal, value)``.

    Raises:
        ApiError: 400 when the text is no field selector or names a path that this kind does not select on.
    """
    requirements: list[tuple[str, bool, str]] = []
    for part in [part.strip() for part in text.split(",") if part.strip()]:
        match = re.match(r"^([^=!]+?)\s*(==|!=|=)\s*(.*)$", part)
        if not match:
            raise ApiError(400, f"invalid selector: {text!r}; can't understand {part!r}")
        path, operator, value = match.groups()
        if not _selectable(path, kind):
            raise ApiError(
                400, f'Unable to find "{kind.plural}" that match label selector "", field selector "{text}": '
                f"field label not supported: {path}",
            )  # fmt: skip
        requirements.append((path, operator != "!=", value))
    return requirements


def _selectable(path: str, kind: Kind) -> bool:
    return (
        path == "metadata.name"
        or (path == "metadata.namespace" and kind.namespaced)
        or path in kind.selectable
    )


def field_matcher(requirements: list[tuple[str, bool, str]]) -> Matcher:
    """Return the predicate of parsed field requirements."""
    tests = [(_reader(path), equal, value) for path, equal, value in requirements]

    def matches(obj: Object) -> bool:
        return all((read(obj) == value) is equal for read, equal, value in tests)

    return matches


def _reader(path: str) -> Callable[[Object], str]:
    if path == "source":
        return lambda obj: str(
            (obj.get("source") or {}).get("component") or obj.get("reportingComponent") or ""
        )
    parts = path.split(".")

    def read(obj: Object) -> str:
        value: Any = obj
        for part in parts:
            if not isinstance(value, dict):
                return ""
            value = value.get(part)
        if value is None:
            return "false" if parts[-1] in ("unschedulable", "hostNetwork") else ""
        return str(value).lower() if isinstance(value, bool) else str(value)

    return read
