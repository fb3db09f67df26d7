"""`{{ .inputs.x }}` and `{{ .outputs.y }}` in scripts and commands."""

import re
from collections.abc import Callable, Collection

from limosa.errors import LimosaError

_PLACEHOLDER = re.compile(r"\{\{\s*\.(\w+)\.(\w+)\s*\}\}")


def check_placeholders(text: str, inputs: Collection[str], outputs: Collection[str], place: str) -> None:
    """Refuses placeholders that stand for nothing. Raises LimosaError naming what there is."""
    known = {"inputs": inputs, "outputs": outputs}
    for side, name in _PLACEHOLDER.findall(text):
        written = f"{{{{ .{side}.{name} }}}}"
        if side not in known:
            remedy = "write {{ .inputs.NAME }} or {{ .outputs.NAME }}"
            raise LimosaError("Placeholder", f"{written} stands for nothing", place, remedy)
        if name not in known[side]:
            from limosa_model.interfaces import suggest

            message = f"{written}: there is no {side[:-1]} '{name}'"
            raise LimosaError("Placeholder", message, place, suggest(name, sorted(known[side])))


def filled(text: str, value: Callable[[str, str], str]) -> str:
    """The text with each placeholder replaced by `value(side, name)`; side is "inputs" or "outputs"."""
    return _PLACEHOLDER.sub(lambda match: value(match[1], match[2]), text)
