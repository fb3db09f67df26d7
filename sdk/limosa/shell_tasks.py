"""ShellTask: a script in place of a function."""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, get_origin

from limosa.errors import LimosaError
from limosa.origin import Origin, caller
from limosa.placeholders import check_placeholders, filled
from limosa.tasks import Task

INPUT_VARIABLE = "LIMOSA_INPUT_"
OUTPUT_VARIABLE = "LIMOSA_OUTPUT_"
_SHELL = ("bash", "-e", "-o", "pipefail", "-c")
_NAME = re.compile(r"[a-z_][A-Za-z0-9_]*")
_TEXTS: tuple[type, ...] = (str, int, float, bool)


class ShellTask(Task[..., Any]):
    """A task whose body is a bash script. It runs in the task image, where functions run too.

    `{{ .inputs.x }}` stands for an input's value: text as it is, a file or directory as its path, lists and dicts as JSON. It
    is put in as a quoted shell variable, so that no value can become a command; within quotes of your own, or a here-document,
    write $LIMOSA_INPUT_x instead. `{{ .outputs.y }}` is the path at which the script leaves an output: a file, a directory, or
    a file that holds a text or a number. The script runs in an empty directory and ends at the first command that fails.

    One output is what a call gives; several come as a NamedTuple.

    Example:
        count_lines = ShellTask(
            "count_lines",
            script="wc -l < {{ .inputs.source }} > {{ .outputs.lines }}",
            inputs={"source": File},
            outputs={"lines": int},
        )
    """

    def __init__(
        self,
        name: str,
        script: str,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Takes the script.

        Args:
            name: Of the task; also of the variable that holds it, by which pods find it.
            script: What bash runs.
            inputs: Types by name: str, int, float, bool, File, Directory, lists and dicts.
            outputs: Types by name: str, int, float, bool, File, Directory.
            **options: As of @task.

        Raises:
            LimosaError: A name, a type, a placeholder or an option makes no sense.
        """
        from limosa.options import task_options

        origin = caller()
        place = f"ShellTask {name} ({origin})"
        self.script = script
        self.given = dict(inputs or {})
        self.results = dict(outputs or {})
        _check_names(name, self.given, self.results, place)
        for input_name, kind in self.given.items():
            _check_type(kind, f"input '{input_name}'", place, structured=True)
        for output_name, kind in self.results.items():
            _check_type(kind, f"output '{output_name}'", place, structured=False)
        check_placeholders(script, self.given, self.results, place)
        function = function_like(name, self.given, self.results, origin, self._run)
        super().__init__(function, task_options(options))

    def _run(self, arguments: Mapping[str, Any]) -> Any:
        from limosa.scripts import run_script

        command = filled(self.script, lambda side, name: f'"${{{_variable(side, name)}}}"')
        found = run_script((*_SHELL, command), arguments, self.results, self.__name__)
        return next(iter(found.values()), None) if len(found) < 2 else tuple(found.values())


def function_like(
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
    import sys

    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename) != origin.file:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "__main__"))


def _result_type(name: str, outputs: Mapping[str, Any]) -> Any:
    if len(outputs) < 2:
        return next(iter(outputs.values()), None)
    return NamedTuple(f"{name}_outputs", list(outputs.items()))


def _variable(side: str, name: str) -> str:
    return (INPUT_VARIABLE if side == "inputs" else OUTPUT_VARIABLE) + name


def _check_names(name: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], place: str) -> None:
    import keyword

    for what, given in (
        ("name", name),
        *(("input", key) for key in inputs),
        *(("output", key) for key in outputs),
    ):
        if not isinstance(given, str) or not _NAME.fullmatch(given) or keyword.iskeyword(given):
            remedy = "use letters, digits and '_', and begin with a small letter"
            raise LimosaError("ShellName", f"the {what} {given!r} is no Python name", place, remedy)


def _check_type(kind: Any, what: str, place: str, *, structured: bool) -> None:
    from limosa.types.directory import Directory
    from limosa.types.file import File

    origin = get_origin(kind) or kind
    files = isinstance(origin, type) and issubclass(origin, (File, Directory))
    if kind in _TEXTS or files or (structured and origin in (list, dict)):
        return
    kinds = "str, int, float, bool, File, Directory" + (", list[…] or dict[…]" if structured else "")
    raise LimosaError("ShellType", f"{what} is {getattr(kind, '__name__', kind)}", place, f"use {kinds}")
