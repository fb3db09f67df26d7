"""Signatures: what an author's function takes and gives, as Python types."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from limosa.errors import LimosaError
from limosa.function_shapes import unwrapped
from limosa.hash_methods import HashMethod, hash_method_of
from limosa.origin import origin_of

if TYPE_CHECKING:
    from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable

SINGLE_OUTPUT = "o0"


class Sensitive:
    """Marks an input whose value must not travel in pod specs or logs: `token: Annotated[str, Sensitive]`."""


class Signature:
    """The typed interface of one function.

    Attributes:
        place: What and where, for messages: "task train (house.py:12)".
        inputs: Python types by name, in the order of the parameters.
        defaults: Values of the inputs that need not be given.
        outputs: Python types by name; a single unnamed output is called "o0".
        outputs_are_tuple: Whether the function returns a tuple, of which each item is an output.
        output_class: The NamedTuple of the return annotation; None where there is none.
        hash_methods: By output, where one has its own; see `limosa.hash_methods`.
    """

    def __init__(self, function: Callable[..., Any], what: str) -> None:
        """Reads a function's signature.

        Args:
            function: The author's function; decorators that use functools.wraps are looked through.
            what: "task" or "workflow", for messages.

        Raises:
            LimosaError: An annotation is missing or cannot be resolved.
        """
        inner = unwrapped(function)
        self.place = f"{what} {inner.__name__} ({origin_of(inner)})"
        self._documentation = inner.__doc__ or ""
        code = inner.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        hints = _hints(inner, self.place)
        for name in names:
            if name not in hints:
                remedy = f"write its type, such as {name}: int"
                raise LimosaError("MissingAnnotation", f"argument '{name}' has no type", self.place, remedy)
        if "return" not in hints:
            remedy = "write -> and the type; -> None where it returns nothing"
            raise LimosaError("MissingAnnotation", "the return type is missing", self.place, remedy)
        self.inputs: dict[str, Any] = {name: _plain(hints[name]) for name in names}
        self.defaults = _defaults(inner, names[: code.co_argcount])
        returned = _named(hints["return"])
        self.outputs, self.output_class, self.outputs_are_tuple = _outputs(_plain(returned))
        self.hash_methods = _hash_methods(returned, self.output_class)
        for name in names:
            if hash_method_of(hints[name]) is not None:
                message = f"argument '{name}' has a HashMethod, which belongs to what a task gives"
                remedy = "annotate the output of the task that makes the value"
                raise LimosaError("HashMethod", message, self.place, remedy)
        self._notes = {name: _note(hints[name]) for name in names if _is_annotated(hints[name])}

    def split(self, result: Any, name: str) -> dict[str, Any]:
        """What the function called `name` returned, as outputs. Raises LimosaError when it has another shape."""
        if not self.outputs_are_tuple:
            if not self.outputs and result is not None:
                got = type(result).__name__
                message = f"{name} is annotated to return nothing but returned {got}"
                raise LimosaError("BadOutput", message, self.place, f"annotate it with -> {got}")
            return dict.fromkeys(self.outputs, result)
        if not isinstance(result, (tuple, list)) or len(result) != len(self.outputs):
            got = f"{len(result)} values" if isinstance(result, (tuple, list)) else type(result).__name__
            message = f"{name} returns {len(self.outputs)} values ({', '.join(self.outputs)}), its function gave {got}"
            raise LimosaError("BadOutput", message, self.place)
        return dict(zip(self.outputs, result, strict=True))

    def join(self, outputs: dict[str, Any]) -> Any:
        """Outputs by name in the shape that the function returns."""
        if self.output_class is not None:
            return self.output_class(**outputs)
        return next(iter(outputs.values()), None)

    def interface(self) -> "Interface":
        """The interface on the wire. Raises LimosaError naming the argument and what to use instead."""
        from limosa.docstring import argument_texts
        from limosa_idl.core.v1alpha1.interface_pb2 import Interface

        texts = argument_texts(self._documentation)
        interface = Interface()
        for name, python_type in self.inputs.items():
            variable = interface.inputs.add(name=name)
            text, variable.sensitive = self._notes.get(name, ("", False))
            variable.description = text or texts.get(name, "")
            where = f"argument '{name}'"
            _set_type(variable, python_type, self.place, where)
            if name in self.defaults:
                _set_default(variable, self.defaults[name], python_type, self.place, where)
        for name, python_type in self.outputs.items():
            where = "the return type" if name == SINGLE_OUTPUT else f"output '{name}'"
            _set_type(interface.outputs.add(name=name), python_type, self.place, where)
        return interface


def _set_type(variable: "Variable", python_type: Any, place: str, where: str) -> None:
    from limosa.types import TypeProblem, literal_type

    try:
        variable.type.CopyFrom(literal_type(python_type))
    except TypeProblem as error:
        raise LimosaError(error.code, f"{where}: {error.message}", place, error.remedy) from error


def _set_default(variable: "Variable", default: Any, python_type: Any, place: str, where: str) -> None:
    from limosa.types import TypeProblem, ValueProblem, to_literal
    from limosa.types.transfer import NoTransfer

    transfer = NoTransfer(f"the default of {where}", "make it an input without default")
    try:
        variable.default_value.CopyFrom(to_literal(default, python_type, transfer))
    except (TypeProblem, ValueProblem) as error:
        raise LimosaError(
            "BadDefault", f"the default of {where}: {error.message}", place, error.remedy
        ) from error
    except ValueError as error:
        raise LimosaError("BadDefault", f"the default of {where}: {error}", place) from error


def _hints(function: Any, place: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        message = f"an annotation refers to '{error.name}', which is not there when the module runs"
        remedy = f"import or define {error.name} at the top of the module, outside `if TYPE_CHECKING`"
        raise LimosaError("UnresolvedAnnotation", message, place, remedy) from error
    except (TypeError, SyntaxError, AttributeError) as error:
        raise LimosaError("UnresolvedAnnotation", f"an annotation cannot be read: {error}", place) from error


def _defaults(function: Any, positional: tuple[str, ...]) -> dict[str, Any]:
    given = function.__defaults__ or ()
    found = dict(zip(positional[len(positional) - len(given) :], given, strict=True))
    found.update(function.__kwdefaults__ or {})
    return found


def _named(annotation: Any) -> Any:
    """tuple[int, str] as a NamedTuple of its parts, called o0, o1, …; any other annotation as it is."""
    if get_origin(annotation) is not tuple:
        return annotation
    parts = get_args(annotation)
    if not parts or Ellipsis in parts:
        return annotation
    from typing import NamedTuple

    return NamedTuple("Outputs", [(f"o{position}", part) for position, part in enumerate(parts)])


def _outputs(annotation: Any) -> "tuple[dict[str, Any], type[Any] | None, bool]":
    if annotation is None or annotation is type(None):
        return {}, None, False
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = get_type_hints(annotation)
        return {name: hints.get(name, Any) for name in annotation._fields}, annotation, True
    return {SINGLE_OUTPUT: annotation}, None, False


def _hash_methods(annotation: Any, output_class: "type[Any] | None") -> "dict[str, HashMethod[Any]]":
    hints = {SINGLE_OUTPUT: annotation}
    if output_class is not None:
        hints = get_type_hints(output_class, include_extras=True)
    found = ((name, hash_method_of(hint)) for name, hint in hints.items())
    return {name: method for name, method in found if method is not None}


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
