"""The part of JSON path that printer columns use: ``.a.b``, ``['key']``, ``[0]``, ``[*]``, ``[?(@.type=="Ready")]``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"""\.(?P<name>(?:[^.\[\\]|\\.)+)"""
    r"""|\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]"""
    r"""|\[(?P<index>-?\d+|\*)\]"""
    r"""|\[\?\(@(?P<path>[^=!<>]*?)\s*(?P<op>==|!=)\s*(?P<value>[^)]*)\)\]"""
)
_Step = tuple[str, Any]


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[_Step, ...]:
    steps: list[_Step] = []
    position = 0
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            return (("nothing", None),)
        position = match.end()
        if match["name"] is not None:
            steps.append(("key", re.sub(r"\\(.)", r"\1", match["name"])))
        elif match["key"] is not None:
            steps.append(("key", match["key"]))
        elif match["index"] is not None:
            steps.append(("all", None) if match["index"] == "*" else ("index", int(match["index"])))
        else:
            value = match["value"].strip()
            steps.append(("filter", (match["path"].strip(), match["op"] == "==", value.strip("\"'"))))
    return tuple(steps)


def find(obj: Any, path: str) -> list[Any]:
    """Return every value a path leads to; none when the path leads nowhere or cannot be read."""
    values = [obj]
    for how, what in _steps(path):
        values = [found for value in values for found in _step(value, how, what)]
    return values


def _step(value: Any, how: str, what: Any) -> list[Any]:
    if how == "key":
        return [value[what]] if isinstance(value, dict) and what in value else []
    if how == "index":
        return [value[what]] if isinstance(value, list) and -len(value) <= what < len(value) else []
    if how == "all":
        return (
            list(value.values())
            if isinstance(value, dict)
            else list(value)
            if isinstance(value, list)
            else []
        )
    if how == "filter" and isinstance(value, list):
        path, equal, wanted = what
        return [entry for entry in value if (_text(find(entry, path)) == wanted) is equal]
    return []


def _text(values: list[Any]) -> str | None:
    if not values:
        return None
    return str(values[0]).lower() if isinstance(values[0], bool) else str(values[0])
