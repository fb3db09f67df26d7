"""The project's own settings: limosa.toml, or [tool.limosa] of pyproject.toml."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limosa.config.toml import read_toml


@dataclasses.dataclass(frozen=True)
class ProjectFile:
    """One project's settings and the file they stand in."""

    path: Path
    values: Mapping[str, Any]


def find_project_file(start: Path) -> ProjectFile | None:
    """The nearest project file at or above a directory; limosa.toml goes before a pyproject.toml beside it.

    Raises:
        ConfigError: One is there and cannot be read.
    """
    start = start.resolve()
    for directory in (start, *start.parents):
        own = directory / "limosa.toml"
        if own.is_file():
            return ProjectFile(own, read_toml(own))
        shared = directory / "pyproject.toml"
        if shared.is_file():
            table = read_toml(shared).get("tool", {}).get("limosa")
            if isinstance(table, dict):
                return ProjectFile(shared, table)
    return None
