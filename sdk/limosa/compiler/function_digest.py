"""The source of a function, as a digest."""

import hashlib
import inspect
import textwrap
from typing import Any


def function_digest(function: Any) -> str:
    """sha256 (hex) of a function's source text, decorators included; empty where it cannot be read.

    The same wherever in a file the function stands, and under every version of Python. What it calls is not part of it.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()
