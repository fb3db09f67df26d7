"""Tasks without a function of their author's: their inputs and outputs are declared."""

import abc
import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from limosa.errors import LimosaError
from limosa.origin import Origin
from limosa.tasks import Task

if TYPE_CHECKING:
    from limosa.options import TaskOptions
    from limosa.signature import Signature

_NAME = re.compile(r"[a-z_][A-Za-z0-9_]*")


class DeclaredTask(Task[..., Any], abc.ABC):
    """A task whose `_run` takes its inputs in a dict. One output is what a call gives, under the name it was given."""

    def __init__(
        self,
        name: str,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any],
        origin: Origin,
        options: "TaskOptions",
    ) -> None:
        """Takes the interface by names and types, and where it was written."""
        self._declared = dict(outputs)
        super().__init__(_function_like(name, inputs, outputs, origin, self._run), options)

    @property
    def signature(self) -> "Signature":
        """Inputs and outputs as Python types."""
        found = super().signature
        found.outputs = dict(self._declared)
        return found

    @abc.abstractmethod
    def declared_body(self) -> str:
        """What it runs, for a digest: whatever changes what it does changes this."""

    @abc.abstractmethod
    def _run(self, arguments: Mapping[str, Any]) -> Any:
        """Gives the outputs of a call."""


def check_names(name: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], place: str) -> None:
    """Refuses names that a function could not have. Raises LimosaError."""
    import keyword

    for what, given in (
        ("name", name),
        *(("input", key) for key in inputs),
        *(("output", key) for key in outputs),
    ):
        if not isinstance(given, str) or not _NAME.fullmatch(given) or keyword.iskeyword(given):
            remedy = "use letters, digits and '_', and begin with a small letter"
            raise LimosaError("ShellName", f"the {what} {given!r} is no Python name", place, remedy)


def _function_like(
    name: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], origin: Origin, run: Any
) -> Any:
    """A function of that name and signature, written where `origin` is, that calls `run` with a dict of its arguments."""
    parameters = ", ".join(inputs)
    head = f"def {name}(*, {parameters})" if inputs else f"def {name}()"
    arguments = ", ".join(f"{key!r}: {key}" for key in inputs)
    source = "\n" * (origin.line - 1) + f"{head}: return __run__({{{arguments}}})"
    space: dict[str, Any] = {"__run__": run, "__name__": _module_of(origin)}
    exec(compile(source, origin.file, "exec"), space)
    function = space[name]
    function.__annotations__ = {**inputs, "return": _result_type(name, outputs)}
    return function


def _module_of(origin: Origin) -> str:
    """Name of the module that is being imported from a file."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename) != origin.file:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "__main__"))


def _result_type(name: str, outputs: Mapping[str, Any]) -> Any:
    if len(outputs) < 2:
        return next(iter(outputs.values()), None)
    return NamedTuple(f"{name}_outputs", list(outputs.items()))
