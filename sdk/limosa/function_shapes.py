"""Function shapes: which functions can be a task or a workflow at all, seen without calling them."""

from collections.abc import Callable
from typing import Any

from limosa.errors import LimosaError
from limosa.origin import origin_of

_EAGER = "eager task"
_VARARGS, _VARKEYWORDS, _GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x04, 0x08, 0x20, 0x80, 0x200


def unwrapped(function: Callable[..., Any]) -> Any:
    """The author's own function below decorators that use functools.wraps."""
    inner: Any = function
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    return inner


def check_shape(function: Any, what: str) -> None:
    """Refuses a function that could never be called with its inputs by name, or would give no values.

    Args:
        function: As decorated. How it is called and what it gives is the outermost function's, since a decorator may run a
            coroutine to its end; its parameters are the author's own.
        what: "task", "dynamic task", "eager task" (which has to be a coroutine) or "workflow", for messages.

    Raises:
        LimosaError: With the place of the function and how to write it instead.
    """
    inner = unwrapped(function)
    place = f"{what} {inner.__name__} ({origin_of(inner)})"
    flags = function.__code__.co_flags
    if inner.__name__ == "<lambda>":
        message = "a lambda has no name that a pod could find it by, and no types"
        raise LimosaError("Lambda", message, place, f"write a def with types, below @{what.split()[-1]}")
    if what == _EAGER and not flags & _COROUTINE:
        message = "an eager task awaits what it calls, and this function is not async"
        raise LimosaError("AsyncFunction", message, place, "write async def")
    if flags & (_COROUTINE | _ASYNC_GENERATOR) and what != _EAGER:
        message = f"async {what}s are not supported yet"
        raise LimosaError("AsyncFunction", message, place, "write def, and asyncio.run(…) inside")
    if flags & _GENERATOR and not (what == "task" and _gives_items(inner)):
        message = f"a {what} returns its outputs; this one is a generator, for it has a yield"
        raise LimosaError(
            "GeneratorFunction", message, place, "annotate a task with -> Iterator[T], or return a list"
        )
    if inner.__code__.co_flags & (_VARARGS | _VARKEYWORDS):
        remedy = "name every input; for a varying number take a list or a dict"
        raise LimosaError("VariableArguments", "*args and **kwargs have no types", place, remedy)
    count = inner.__code__.co_posonlyargcount
    if count:
        names = ", ".join(f"'{name}'" for name in inner.__code__.co_varnames[:count])
        message = f"inputs are passed by name, and {names} can be passed by position only"
        raise LimosaError("PositionalOnly", message, place, "remove the '/' from the parameters")


def _gives_items(inner: Any) -> bool:
    """Whether a function says that it gives items one by one."""
    annotation = inner.__annotations__.get("return", "")
    name = str(getattr(annotation, "__origin__", annotation)).partition("[")[0]
    return name.rpartition(".")[2].rstrip("'>") in ("Iterator", "Generator", "Iterable")
