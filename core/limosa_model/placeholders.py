"""`{{ .inputs.x }}` and `{{ .outputs.y }}` in scripts and commands."""

import re
from collections.abc import Callable, Collection, Iterator

_PLACEHOLDER = re.compile(r"\{\{\s*\.(\w+)\.(\w+)\s*\}\}")


def wrong_placeholders(
    text: str, inputs: Collection[str], outputs: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Placeholders that stand for nothing, each with what is wrong and what to write."""
    known = {"inputs": inputs, "outputs": outputs}
    for side, name in _PLACEHOLDER.findall(text):
        written = f"{{{{ .{side}.{name} }}}}"
        if side not in known:
            yield f"{written} stands for nothing", "write {{ .inputs.NAME }} or {{ .outputs.NAME }}"
        elif name not in known[side]:
            from limosa_model.interfaces import suggest

            yield f"{written}: there is no {side[:-1]} '{name}'", suggest(name, sorted(known[side]))


def named_in(text: str) -> set[tuple[str, str]]:
    """Every placeholder as (side, name); side is "inputs" or "outputs"."""
    return set(_PLACEHOLDER.findall(text))


def filled(text: str, value: Callable[[str, str], str]) -> str:
    """The text with each placeholder replaced by `value(side, name)`."""
    return _PLACEHOLDER.sub(lambda match: value(match[1], match[2]), text)
