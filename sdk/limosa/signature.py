"""Signatures: what an author's function takes and gives, as Python types."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from limosa.errors import CompileError, InputError

if TYPE_CHECKING:
    from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable

SINGLE_OUTPUT = "o0"
_VARARGS, _VARKEYWORDS = 0x04, 0x08


class Sensitive:
    """Marks an input whose value must not travel in pod specs or logs: `token: Annotated[str, Sensitive]`."""


@dataclasses.dataclass(frozen=True)
class Signature:
    """The typed interface of one function."""

    place: str
    """What and where, for messages: "task house.train (house.py:12)"."""
    inputs: dict[str, Any]
    """Python types by name, in the order of the parameters."""
    defaults: dict[str, Any]
    outputs: dict[str, Any]
    """Python types by name; a single unnamed output is called "o0"."""
    output_class: "type[Any] | None"
    """The NamedTuple of the return annotation; None where there is one output or none."""
    positional: int
    """How many inputs may be given by position."""
    documentation: str
    notes: "dict[str, tuple[str, bool]]"
    """Description and sensitivity of inputs that have an Annotated type."""

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments by name; those left to their defaults are not in it. Raises InputError."""
        names = list(self.inputs)
        if len(args) > self.positional:
            takes = f"takes {self.positional} argument{'' if self.positional == 1 else 's'} by position"
            raise self._call_error("TooManyArguments", f"{takes}, got {len(args)}", f"name them: {', '.join(names)}")
        bound = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in self.inputs:
                from limosa_model.interfaces import suggest

                message = f"there is no argument '{name}'"
                raise self._call_error("UnknownArgument", message, suggest(name, names))
            if name in bound:
                raise self._call_error("ArgumentTwice", f"argument '{name}' is given twice", "give it once")
            bound[name] = value
        for name, python_type in self.inputs.items():
            if name not in bound and name not in self.defaults:
                from limosa.types.converter import type_name

                remedy = f"give {name}=…, of type {type_name(python_type)}"
                raise self._call_error("MissingArgument", f"argument '{name}' is missing", remedy)
        return bound

    def split(self, result: Any) -> dict[str, Any]:
        """A function's result as outputs by name. Raises InputError when it has another shape."""
        if not self.outputs:
            if result is not None:
                got = type(result).__name__
                message = f"it is annotated to return nothing but returned {got}"
                raise InputError("OutputShape", message, self.place, f"annotate it with -> {got}")
            return {}
        if self.output_class is None:
            return {SINGLE_OUTPUT: result}
        if not isinstance(result, (tuple, list)) or len(result) != len(self.outputs):
            got = f"{len(result)} values" if isinstance(result, (tuple, list)) else type(result).__name__
            message = f"it returns {self.output_class.__name__} ({', '.join(self.outputs)}) but gave {got}"
            raise InputError("OutputShape", message, self.place, f"return {self.output_class.__name__}(…)")
        return dict(zip(self.outputs, result, strict=True))

    def join(self, outputs: dict[str, Any]) -> Any:
        """Outputs by name as the function's result."""
        if self.output_class is not None:
            return self.output_class(**outputs)
        return outputs[SINGLE_OUTPUT] if self.outputs else None

    def _call_error(self, code: str, message: str, remedy: str) -> InputError:
        return InputError(code, f"{self.place}: {message}", remedy=remedy)


def read_signature(function: Callable[..., Any], what: str) -> Signature:
    """The signature of a function.

    Args:
        function: The author's function; decorators that use functools.wraps are looked through.
        what: "task" or "workflow", for messages.

    Raises:
        CompileError: An annotation is missing or cannot be resolved, or a parameter takes any number of arguments.
    """
    inner: Any = function
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    code = inner.__code__
    place = f"{what} {inner.__name__} ({code.co_filename}:{code.co_firstlineno})"
    if code.co_flags & (_VARARGS | _VARKEYWORDS):
        remedy = "name every input; for a varying number take a list or a dict"
        raise CompileError("VariableArguments", "*args and **kwargs have no types", place, remedy)
    count = code.co_argcount
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    hints = _hints(inner, place)
    for name in names:
        if name not in hints:
            remedy = f"write its type, such as {name}: int"
            raise CompileError("MissingAnnotation", f"argument '{name}' has no type", place, remedy)
    if "return" not in hints:
        remedy = "write -> and the type; -> None where it returns nothing"
        raise CompileError("MissingAnnotation", "the return type is missing", place, remedy)
    positional_defaults = inner.__defaults__ or ()
    defaults = dict(zip(names[count - len(positional_defaults) : count], positional_defaults, strict=True))
    defaults.update(inner.__kwdefaults__ or {})
    outputs, output_class = _outputs(hints["return"])
    return Signature(
        place=place,
        inputs={name: _plain(hints[name]) for name in names},
        defaults=defaults,
        outputs=outputs,
        output_class=output_class,
        positional=count,
        documentation=inner.__doc__ or "",
        notes={name: _note(hints[name]) for name in names if get_args(hints[name]) and _is_annotated(hints[name])},
    )


def build_interface(signature: Signature) -> "Interface":
    """The interface on the wire. Raises CompileError naming the argument and what to use instead."""
    from limosa.docstring import argument_texts
    from limosa_idl.core.v1alpha1.interface_pb2 import Interface

    texts = argument_texts(signature.documentation)
    interface = Interface()
    for name, python_type in signature.inputs.items():
        variable = interface.inputs.add(name=name)
        text, variable.sensitive = signature.notes.get(name, ("", False))
        variable.description = text or texts.get(name, "")
        where = f"argument '{name}'"
        _set_type(variable, python_type, signature, where)
        if name in signature.defaults:
            _set_default(variable, signature.defaults[name], python_type, signature, where)
    for name, python_type in signature.outputs.items():
        where = "the return type" if name == SINGLE_OUTPUT else f"output '{name}'"
        _set_type(interface.outputs.add(name=name), python_type, signature, where)
    return interface


def _set_type(variable: "Variable", python_type: Any, signature: Signature, where: str) -> None:
    from limosa.types import TypeProblem, literal_type

    try:
        variable.type.CopyFrom(literal_type(python_type))
    except TypeProblem as error:
        raise CompileError(error.code, f"{where}: {error.message}", signature.place, error.remedy) from error


def _set_default(
    variable: "Variable", default: Any, python_type: Any, signature: Signature, where: str
) -> None:
    from limosa.types import TypeProblem, ValueProblem, to_literal
    from limosa.types.transfer import NoTransfer

    transfer = NoTransfer(f"the default of {where}", "make it an input without default")
    try:
        variable.default_value.CopyFrom(to_literal(default, python_type, transfer))
    except (TypeProblem, ValueProblem) as error:
        raise CompileError("BadDefault", f"the default of {where}: {error.message}", signature.place, error.remedy) from error
    except ValueError as error:
        raise CompileError("BadDefault", f"the default of {where}: {error}", signature.place) from error


def _hints(function: Any, place: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        message = f"an annotation refers to '{error.name}', which is not there when the module runs"
        remedy = f"import or define {error.name} at the top of the module, outside `if TYPE_CHECKING`"
        raise CompileError("UnresolvedAnnotation", message, place, remedy) from error
    except (TypeError, SyntaxError, AttributeError) as error:
        raise CompileError("UnresolvedAnnotation", f"an annotation cannot be read: {error}", place) from error


def _outputs(annotation: Any) -> "tuple[dict[str, Any], type[Any] | None]":
    if annotation is None or annotation is type(None):
        return {}, None
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = get_type_hints(annotation)
        return {name: hints.get(name, Any) for name in annotation._fields}, annotation
    return {SINGLE_OUTPUT: annotation}, None


def _is_annotated(hint: Any) -> bool:
    return hasattr(hint, "__metadata__")


def _plain(hint: Any) -> Any:
    """A type without Annotated, at any depth."""
    if _is_annotated(hint):
        return _plain(hint.__origin__)
    arguments = get_args(hint)
    if not arguments or not any(_is_annotated(part) or get_args(part) for part in arguments):
        return hint
    plain = tuple(_plain(part) for part in arguments)
    if plain == arguments:
        return hint
    if hasattr(hint, "copy_with"):
        return hint.copy_with(plain)
    origin: Any = get_origin(hint)
    if getattr(origin, "__name__", "") == "UnionType":
        from functools import reduce
        from operator import or_

        return reduce(or_, plain)
    return origin[plain]


def _note(hint: Any) -> tuple[str, bool]:
    texts = [note for note in hint.__metadata__ if isinstance(note, str)]
    marked = any(note is Sensitive or isinstance(note, Sensitive) for note in hint.__metadata__)
    return (texts[0] if texts else "", marked)
