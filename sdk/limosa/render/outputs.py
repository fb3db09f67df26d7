"""Results on standard output: for people, or as JSON or YAML for scripts."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

FORMATS = ("text", "json", "yaml")
_LONG = 100
"""Characters of a line that a person still takes in."""
ELEMENTS = 20
"""Of a list that is shortened; one of twice as many is shown whole."""
CHARACTERS = 1000
"""Of a text that is shortened."""


def render_data(data: Any, form: str) -> str:
    """Plain data in one of `FORMATS`, ending in a newline.

    JSON has no numbers that are not finite: they are the strings "NaN", "Infinity" and "-Infinity" in it.
    As text, a mapping has one "name: value" line each, strings as they are, everything else as JSON; a list that is
    long in one line has a line for each element.
    """
    if form == "json":
        return json_text(data)
    if form == "yaml":
        return yaml_text(data)
    if isinstance(data, Mapping) and not _is_reference(data):
        return "".join(f"{name}: {_text(value)}\n" for name, value in data.items())
    text = _text(data)
    if isinstance(data, list) and len(text) > _LONG:
        return "".join(f"{_text(item)}\n" for item in data)
    return text + "\n"


def json_text(data: Any) -> str:
    """Plain data as JSON that every reader takes, ending in a newline; see `render_data`."""
    return json.dumps(_finite(data), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _finite(data: Any) -> Any:
    if isinstance(data, float) and not math.isfinite(data):
        return "NaN" if math.isnan(data) else "Infinity" if data > 0 else "-Infinity"
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    return [_finite(item) for item in data] if isinstance(data, (list, tuple)) else data


def render_outputs(outputs: Mapping[str, Any], form: str) -> str:
    """A run's outputs. As text, the one unnamed output "o0" is shown bare."""
    if form == "text" and list(outputs) == ["o0"]:
        return render_data(outputs["o0"], form)
    return render_data(dict(outputs), form)


def shortened_outputs(outputs: Mapping[str, Any], whole: str) -> str:
    """A run's outputs as text for a person: of long lists and texts only the beginning.

    Args:
        outputs: By name.
        whole: The command that shows all of it, which is told where something is left out.
    """
    if list(outputs) == ["o0"]:
        value = outputs["o0"]
        left = len(value) - ELEMENTS if isinstance(value, list) else 0
        if left > ELEMENTS and len(_text(value)) > _LONG:
            shown = "".join(f"{_short(item)}\n" for item in value[:ELEMENTS])
            return f"{shown}… {left:,} more; all of it: {whole}\n"
        rendered, short = render_data(value, "text"), _short(value) + "\n"
        complete = isinstance(value, list) or len(_text(value)) <= CHARACTERS
        return rendered if complete else f"{short}all of it: {whole}\n"
    rendered = render_data(dict(outputs), "text")
    short = "".join(f"{name}: {_short(value)}\n" for name, value in outputs.items())
    return rendered if short == rendered else f"{short}all of it: {whole}\n"


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 2 * ELEMENTS:
        value_text = f"{_text(value[:ELEMENTS])[:-1]}, … {len(value) - ELEMENTS:,} more]"
    else:
        value_text = _text(value)
    return value_text if len(value_text) <= CHARACTERS else f"{value_text[:CHARACTERS]} …"


def yaml_text(data: Any, indent: int = 0) -> str:
    """Block-style YAML of JSON-like data; scalars are JSON, which YAML contains."""
    pad = "  " * indent
    if isinstance(data, Mapping) and data:
        return "".join(f"{pad}{_key(key)}:{_nested(value, indent)}" for key, value in data.items())
    if isinstance(data, list) and data:
        return "".join(f"{pad}-{_nested(item, indent)}" for item in data)
    return f"{pad}{_scalar(data)}\n"


def _nested(value: Any, indent: int) -> str:
    if isinstance(value, (Mapping, list)) and value:
        return "\n" + yaml_text(value, indent + 1)
    return " " + yaml_text(value)


def _key(key: Any) -> str:
    text = str(key)
    return text if text.isidentifier() and text.lower() not in _YAML_WORDS else _scalar(text)


def _scalar(value: Any) -> str:
    """JSON, with what YAML does not print escaped, and floats as YAML 1.1 reads them."""
    if isinstance(value, float):
        return _float(value)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def _float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    mantissa, exponent, power = repr(value).partition("e")
    # Without a point, YAML 1.1 takes "1e-05" for a string.
    return (mantissa if "." in mantissa else mantissa + ".0") + exponent + power


_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if _is_reference(value):
        return str(value["uri"])
    return json.dumps(value, ensure_ascii=False)


def _is_reference(value: Any) -> bool:
    """Whether plain data stands for something stored apart, such as a file."""
    return isinstance(value, Mapping) and set(value) >= {"uri", "kind"}
