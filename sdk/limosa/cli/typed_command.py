"""A command whose options are an entity's inputs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from limosa.cli.input_values import InputValues, read_inputs_file
from limosa.errors import LimosaError
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.core.v1alpha1.types_pb2 import (
    SIMPLE_TYPE_BOOLEAN,
    SIMPLE_TYPE_BYTES,
    SIMPLE_TYPE_NONE,
    LiteralType,
)
from limosa_model.interfaces import complete_inputs, suggest
from limosa_model.problems import Problem
from limosa_model.types import describe
from limosa_model.values import summarize

_FILE = "inputs_file"
"""Our option among the inputs; an input of that name takes its place."""


@dataclasses.dataclass(frozen=True)
class GivenInputs:
    """What stood on the command line after an entity's name, not converted yet."""

    interface: Interface
    name: str
    """Of the entity, as the person wrote it."""
    texts: Mapping[str, Any]
    """By input name: text, or a bool."""
    inputs_file: str | None
    fixed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What a launch plan fixes, in words, by input name."""
    declared: Callable[[str], str] = lambda _: ""
    """Where the dataclass that an input is made of was written ("Options, house.py:12"); empty where that is not known."""

    def literals(self, transfer: TransferContext) -> LiteralMap:
        """The inputs given; what has a default is left to it.

        Args:
            transfer: Uploads the files that inputs name.

        Raises:
            LimosaError: A value does not fit, or required ones are missing; it names them all.
        """
        convert = InputValues(transfer)
        found = self._from_file(convert)
        for key, text in self.texts.items():
            if key in self.fixed:
                raise click.UsageError(f"{_fixed(key, self.fixed[key])}: leave it out")
            type_ = next(variable.type for variable in self.interface.inputs if variable.name == key)
            place = f"input --{_kebab(key)} of {self.name}"
            made = convert.from_data if isinstance(text, bool) else convert.from_text
            try:
                found[key] = made(text, type_, place)
            except LimosaError as error:
                raise self._with_class(error, key) from error.__cause__
        _check(self.interface, found, self.name)
        return LiteralMap(literals=found)

    def _from_file(self, convert: InputValues) -> dict[str, Literal]:
        if self.inputs_file is None:
            return {}
        known = {variable.name: variable for variable in self.interface.inputs}
        found = {}
        for key, data in read_inputs_file(self.inputs_file).items():
            variable = known.get(key) or known.get(key.replace("-", "_"))
            if key in self.fixed:
                raise LimosaError(
                    "FixedInput", _fixed(key, self.fixed[key]), self.inputs_file, "leave it out"
                )
            if variable is None:
                place = "standard input" if self.inputs_file == "-" else self.inputs_file
                message = f"{self.name} has no input '{key}'"
                raise LimosaError(
                    code="UnknownInput", message=message, place=place, remedy=suggest(key, known)
                )
            if variable.name not in self.texts:
                place = f"input '{key}' of {self.name}"
                try:
                    found[variable.name] = convert.from_data(data, variable.type, place)
                except LimosaError as error:
                    raise self._with_class(error, variable.name) from error.__cause__
        return found

    def _with_class(self, error: LimosaError, name: str) -> LimosaError:
        declared = self.declared(name)
        error.place += f" ({declared})" if declared else ""
        return error


def read_arguments(
    interface: Interface,
    arguments: Sequence[str],
    *,
    name: str,
    description: str,
    usage: str,
    inputs_file: str | None = None,
    fixed: Mapping[str, str] | None = None,
    declared: Callable[[str], str] = lambda _: "",
) -> GivenInputs:
    """Reads an entity's inputs from the command line.

    Args:
        interface: What the entity takes.
        arguments: Everything that stood after the entity's name.
        name: Of the entity, as the person wrote it.
        description: Shown by --help.
        usage: The words before the inputs ("limosa launch hello.hello").
        inputs_file: As it was named before them, if it was.
        fixed: What a launch plan fixes, in words, by input name.
        declared: See `GivenInputs`.

    Raises:
        click.UsageError: An option is unknown or lacks its value.
        click.exceptions.Exit: Help was asked for and shown.
    """
    texts, among_them = _parse(interface, arguments, description, usage, fixed or {})
    if inputs_file is not None and among_them is not None:
        raise click.UsageError("--inputs-file is given twice")
    return GivenInputs(
        interface, name, texts, among_them if inputs_file is None else inputs_file, fixed or {}, declared
    )


def _parse(
    interface: Interface, arguments: Sequence[str], description: str, usage: str, fixed: Mapping[str, str]
) -> tuple[dict[str, Any], str | None]:
    """The inputs given, by name, and the name of the inputs file."""
    names = {variable.name for variable in interface.inputs}
    params: list[click.Parameter] = [_option(variable) for variable in interface.inputs]
    if _FILE not in names:
        meaning = "Inputs as a JSON, YAML or TOML object; - is standard input. Options win over it."
        params.append(click.Option(["--inputs-file", _FILE], metavar="FILE", help=meaning))
    command = click.Command(
        usage,
        params=params,
        help=_help(interface, description),
        context_settings={"help_option_names": ["-h", "--help"], "allow_extra_args": True},
        options_metavar="[INPUTS]",
    )
    try:
        with command.make_context(usage, list(arguments)) as context:
            values = dict(context.params)
            _refuse_unnamed(interface, values, context)
    except click.NoSuchOption as error:
        raise _explain(error, fixed) from error
    except click.UsageError as error:
        # Else the help of `limosa run` is named, which does not know the inputs.
        error.ctx = error.ctx or click.Context(command, info_name=usage)
        raise
    inputs_file = values.pop(_FILE, None) if _FILE not in names else None
    return {key: value for key, value in values.items() if value is not None}, inputs_file


def _refuse_unnamed(interface: Interface, given: Mapping[str, Any], context: click.Context) -> None:
    """Refuses values without a name; says which names they may have been meant for. Raises click.UsageError."""
    if not context.args:
        return
    free = [variable.name for variable in interface.inputs if given.get(variable.name) is None]
    meant = " ".join(f"--{_kebab(name)} {value}" for name, value in zip(free, context.args, strict=False))
    told = f"inputs are named: {meant}" if meant else "there is no input left for it"
    raise click.UsageError(f"got '{' '.join(context.args)}' without a name; {told}", context)


def _option(variable: Variable) -> click.Option:
    kebab, snake = _kebab(variable.name), variable.name
    names = [f"--{kebab}"] if kebab == snake else [f"--{kebab}", f"--{snake}"]
    if _is_boolean(variable.type):
        no = [f"--no-{kebab}"] if kebab == snake else [f"--no-{kebab}", f"--no-{snake}"]
        names = [f"{yes}/{off}" for yes, off in zip(names, no, strict=True)]
        return _InputOption([*names, snake], default=None, help=_describe(variable))
    return _InputOption([*names, snake], metavar=describe(variable.type), help=_describe(variable))


class _InputOption(click.Option):
    """Shows the kebab form only: the other is the same to a person."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        shown = f"{self.opts[0]}" + (f" / {self.secondary_opts[0]}" if self.secondary_opts else "")
        metavar = self.metavar or ("" if self.secondary_opts else "TEXT")
        return (f"{shown} {metavar}".strip(), self.help or "")


def _describe(variable: Variable) -> str:
    parts = [variable.description.rstrip(".") + "." if variable.description else ""]
    if variable.type.simple == SIMPLE_TYPE_BYTES:
        parts.append("Base64, or @file.")
    fields = _fields(variable.type)
    if fields:
        parts.append(f"JSON: {fields}.")
    if variable.HasField("default_value"):
        parts.append(f"[default: {summarize(variable.default_value, 40)}]")
    else:
        parts.append("[required]")
    return " ".join(part for part in parts if part)


def _fields(type_: LiteralType) -> str:
    """A record's fields as they stand in JSON, those with a default marked; empty for other types."""
    kind = type_.WhichOneof("kind")
    if kind == "union_type":
        found = (_fields(variant.type) for variant in type_.union_type.variants)
        return next((one for one in found if one), "")
    if kind == "collection":
        fields = _fields(type_.collection)
        return f"[{fields}, …]" if fields else ""
    if kind != "record":
        return ""
    told = [
        f'"{field.name}": {describe(field.type)}'
        + (f" = {summarize(field.default_value, 20)}" if field.HasField("default_value") else "")
        + (", which may be left out" if field.optional else "")
        for field in type_.record.fields
    ]
    return "{" + ", ".join(told) + "}"


def _help(interface: Interface, description: str) -> str:
    outputs = ", ".join(
        describe(variable.type) if variable.name == "o0" else f"{variable.name}: {describe(variable.type)}"
        for variable in interface.outputs
    )
    return "\n\n".join(part for part in (description, f"Gives {outputs}." if outputs else "") if part)


def _fixed(name: str, value: str) -> str:
    return f"{name} is fixed to {value} by the launch plan"


def _explain(error: click.NoSuchOption, fixed: Mapping[str, str]) -> click.UsageError:
    """Says what is fixed, and where our own options stand when one was written among the inputs."""
    name = error.option_name.lstrip("-").replace("-", "_")
    for meant in (name, name.removeprefix("no_")):
        if meant in fixed:
            return click.UsageError(f"{_fixed(meant, fixed[meant])}: leave it out", error.ctx)
    ours = {
        "--remote",
        "--detach",
        "--wait",
        "--timeout",
        "--copy",
        "--project",
        "--domain",
        "-p",
        "-d",
        "-o",
    }
    if error.option_name in ours:
        return click.UsageError(
            f"'{error.option_name}' stands among the inputs; limosa's own options stand before the file or name",
            error.ctx,
        )
    return error


def _check(interface: Interface, literals: Mapping[str, Literal], name: str) -> None:
    _, problems = complete_inputs(interface, literals)
    if not problems:
        return
    missing = [problem for problem in problems if problem.code == "MissingInput"]
    lines = [_line(problem) for problem in problems]
    types = {variable.name: describe(variable.type) for variable in interface.inputs}
    example = " ".join(f"--{_kebab(problem.place)} {types[problem.place]}" for problem in missing)
    what = (
        f"{name} needs more inputs" if len(missing) == len(problems) else f"the inputs of {name} do not fit"
    )
    raise LimosaError(
        code="BadInput",
        message=f"{what}:\n" + "\n".join(lines),
        remedy=f"add {example}" if example else "",
    )


def _line(problem: Problem) -> str:
    return f"  --{_kebab(problem.place)}: {problem.message}"


def _kebab(name: str) -> str:
    return name if name.startswith("_") else name.replace("_", "-")


def _is_boolean(type_: LiteralType) -> bool:
    """Whether the type is bool, or bool | None."""
    if type_.WhichOneof("kind") == "union_type":
        some = [
            variant.type for variant in type_.union_type.variants if variant.type.simple != SIMPLE_TYPE_NONE
        ]
        return len(some) == 1 and _is_boolean(some[0])
    return type_.WhichOneof("kind") == "simple" and type_.simple == SIMPLE_TYPE_BOOLEAN
