"""What a task does, as a digest."""

import hashlib
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limosa.tasks import Task


def body_digest(task: "Task[..., Any]") -> str:
    """sha256 (hex) of what a task runs; empty where it cannot be read.

    Of a function its source text, decorators included: the same wherever in a file it stands, and under every version of
    Python. What it refers to is not part of it. Of a script or a container what was declared, its variables too.
    """
    try:
        source = _declared(task) or textwrap.dedent(inspect.getsource(task.function))
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()


def code_digest(task: "Task[..., Any]") -> str:
    """As `body_digest`, with the constants, functions and classes of its project that a function refers to."""
    from limosa.compiler.referred_source import referred_source

    own = body_digest(task)
    try:
        texts = [] if task.declared_body() else referred_source(inspect.unwrap(task.function))
    except (OSError, SyntaxError, ValueError):
        return own
    return hashlib.sha256("\0".join([own, *texts]).encode()).hexdigest() if own and texts else own


def _declared(task: "Task[..., Any]") -> str:
    """Of a function these stand in its decorator."""
    body = task.declared_body()
    return body and repr((body, sorted(task.options.environment.items())))
