"""ShellTask: a script in place of a function."""

from collections.abc import Mapping
from typing import Any, get_origin

from limosa.declared_tasks import DeclaredTask, check_names
from limosa.errors import LimosaError
from limosa.origin import caller
from limosa_model.placeholders import filled, wrong_placeholders

INPUT_VARIABLE = "LIMOSA_INPUT_"
OUTPUT_VARIABLE = "LIMOSA_OUTPUT_"
_SHELL = ("bash", "-e", "-o", "pipefail", "-c")
_TEXTS: tuple[type, ...] = (str, int, float, bool)


class ShellTask(DeclaredTask):
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
            name: Of the task. Pods find it by the variable that holds it, at the top level of its module.
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
        check_names(name, self.given, self.results, place)
        for input_name, kind in self.given.items():
            _check_type(kind, f"input '{input_name}'", place, structured=True)
        for output_name, kind in self.results.items():
            _check_type(kind, f"output '{output_name}'", place, structured=False)
        for message, remedy in wrong_placeholders(script, self.given, self.results):
            raise LimosaError("Placeholder", message, place, remedy)
        super().__init__(name, self.given, self.results, origin, task_options(options))

    def declared_body(self) -> str:
        """The script."""
        return f"bash {self.script}"

    def _run(self, arguments: Mapping[str, Any]) -> Any:
        from limosa.scripts import run_script

        command = filled(self.script, lambda side, name: f'"${{{_variable(side, name)}}}"')
        found = run_script((*_SHELL, command), arguments, self.results, self.__name__)
        return next(iter(found.values()), None) if len(found) < 2 else tuple(found.values())


def _variable(side: str, name: str) -> str:
    return (INPUT_VARIABLE if side == "inputs" else OUTPUT_VARIABLE) + name


def _check_type(kind: Any, what: str, place: str, *, structured: bool) -> None:
    from limosa.types.directory import Directory
    from limosa.types.file import File

    origin = get_origin(kind) or kind
    files = isinstance(origin, type) and issubclass(origin, (File, Directory))
    if kind in _TEXTS or files or (structured and origin in (list, dict)):
        return
    kinds = "str, int, float, bool, File, Directory" + (", list[…] or dict[…]" if structured else "")
    raise LimosaError("ShellType", f"{what} is {getattr(kind, '__name__', kind)}", place, f"use {kinds}")
