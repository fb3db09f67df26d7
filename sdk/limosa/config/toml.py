"""Reading TOML, and writing the little of it that the context file needs."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limosa.config.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: It cannot be read or is not TOML; the message has the line.
    """
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        message = f"cannot read it: {error.strerror or error}"
        raise ConfigError(code=ConfigError.UNREADABLE, message=message, place=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            code=ConfigError.UNREADABLE,
            message=f"it is not valid TOML: {error}",
            place=str(path),
            remedy="correct the file",
        ) from error


def write_table(name: str, values: Mapping[str, str]) -> str:
    """One table of strings as TOML text; empty values are left out."""
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {quote(value)}" for key, value in values.items() if value]
    return "\n".join(lines) + "\n"


def quote(text: str) -> str:
    """A TOML basic string. JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
