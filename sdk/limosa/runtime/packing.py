"""What to do about a file or module that the code bundle did not bring along."""

import os
from pathlib import Path

INCLUDE = "add it to `include` in limosa.toml or in [tool.limosa] of pyproject.toml, or run with --copy all"
"""How a person has more of the project packed. A pod does not know which of the two files the project has."""


def missing_file_hint(error: BaseException, root: Path) -> str:
    """How to bring along the file that an exception misses; empty where it cannot be one of the project's.

    Args:
        error: What the author's code raised.
        root: Where the code bundle lies, which is the working directory too.
    """
    name = error.filename if isinstance(error, FileNotFoundError) else None
    if not isinstance(name, (str, bytes, os.PathLike)):
        return ""
    path = Path(os.fsdecode(name))
    if path.is_absolute() and not path.is_relative_to(root):
        return ""
    return f"If it is a file of your project: only imported modules are packed; {INCLUDE}, or pass it as a File input."
