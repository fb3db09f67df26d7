"""Which converter a Python type has. Open: entry points and `register` add to it."""

import importlib
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from limosa.types.converter import Converter, TypeProblem, type_name

if TYPE_CHECKING:
    from limosa.types.transfer import TransferContext
    from limosa_idl.core.v1alpha1.literal_pb2 import Literal
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType

_MODULES = {
    "builtins.int": "limosa.types.integer",
    "builtins.float": "limosa.types.floating",
    "builtins.str": "limosa.types.text",
    "builtins.bool": "limosa.types.boolean",
    "builtins.NoneType": "limosa.types.none",
    "builtins.list": "limosa.types.list_",
    "builtins.dict": "limosa.types.dict_",
    "datetime.datetime": "limosa.types.datetime_",
    "datetime.timedelta": "limosa.types.timedelta",
    "limosa.types.file.File": "limosa.types.file",
    "limosa.types.directory.Directory": "limosa.types.directory",
    "pandas.core.frame.DataFrame": "limosa.types.pandas_frame",
    "pandas.DataFrame": "limosa.types.pandas_frame",
    "pyarrow.lib.Table": "limosa.types.arrow_table",
}
"""By qualified name, so that looking a type up imports nothing but its own converter."""

_INSTEAD = {
    "builtins.tuple": "use list[T], or a NamedTuple for several outputs",
    "builtins.set": "use list[T]",
    "builtins.frozenset": "use list[T]",
    "builtins.bytes": "write the bytes to a File",
    "builtins.complex": "use a dataclass with two floats",
    "builtins.object": "name the concrete type",
    "typing.Any": "name the concrete type, or use dict for JSON-like data",
    "datetime.date": "use datetime",
    "decimal.Decimal": "use str, or int in the smallest unit",
    "pathlib.Path": "use File or Directory: a path means nothing in another pod",
    "pathlib.PosixPath": "use File or Directory: a path means nothing in another pod",
    # As Python 3.13 calls them.
    "pathlib._local.Path": "use File or Directory: a path means nothing in another pod",
    "pathlib._local.PosixPath": "use File or Directory: a path means nothing in another pod",
    "numpy.ndarray": "use list[float], or a pandas.DataFrame",
    "pandas.core.series.Series": "use a pandas.DataFrame with one column",
    "pandas.Series": "use a pandas.DataFrame with one column",
}

_registered: dict[Any, Converter] = {}
_found: dict[Any, Converter] = {}


def register(python_type: Any, converter: Converter) -> None:
    """Adds a converter for a class and, unless they have their own, its subclasses.

    A package does the same without code of ours running first: an entry point of group `limosa.types` whose name is the
    class's qualified name ("mypkg.frames.Grid") and whose object is the converter.
    """
    _registered[python_type] = converter
    _found.clear()


def find(python_type: Any) -> Converter:
    """The converter of a type. Raises TypeProblem with what to use instead."""
    try:
        known = _found.get(python_type)
    except TypeError:
        raise TypeProblem(f"{python_type!r} is not a type", "annotate with a type") from None
    if known is None:
        known = _look_up(python_type)
        _found[python_type] = known
    return known


def literal_type(python_type: Any) -> "LiteralType":
    """What a Python type is on the wire. Raises TypeProblem."""
    made = find(python_type).literal_type(python_type)
    if not made.hint:
        made.hint = type_name(python_type)
    return made


def to_literal(value: Any, python_type: Any, transfer: "TransferContext") -> "Literal":
    """The literal of a value. Raises ValueProblem."""
    return find(python_type).to_literal(value, python_type, transfer)


def to_python(literal: "Literal", python_type: Any, transfer: "TransferContext") -> Any:
    """The value of a literal; an offloaded one is fetched first. Raises ValueProblem and CorruptData."""
    if literal.WhichOneof("value") == "offloaded":
        from limosa.types.offloaded import fetch

        literal = fetch(literal, transfer)
    return find(python_type).to_python(literal, python_type, transfer)


def _look_up(python_type: Any) -> Converter:
    if python_type is None:
        python_type = type(None)
    origin = get_origin(python_type) or python_type
    if origin is Union or _name(origin) == "types.UnionType":
        return _load("limosa.types.union")
    if isinstance(origin, type):
        for base in origin.__mro__:
            if base in _registered:
                return _registered[base]
        found = _by_name(origin) or _by_shape(origin)
        if found is not None:
            return found
    if isinstance(origin, (str, int, float)):
        raise TypeProblem(f"{origin!r} is not a type", "annotate with a type")
    raise _unsupported(python_type, origin)


def _by_name(origin: type) -> Converter | None:
    module = _MODULES.get(_name(origin))
    if module is not None:
        return _load(module)
    for point in _entry_points():
        if point.name == _name(origin):
            converter: Converter = point.load()
            return converter
    return None


def _by_shape(origin: type) -> Converter | None:
    import enum

    if issubclass(origin, enum.Enum):
        return _load("limosa.types.enumeration")
    if hasattr(origin, "__dataclass_fields__"):
        return _load("limosa.types.dataclass_")
    return None


def _unsupported(python_type: Any, origin: Any) -> TypeProblem:
    if isinstance(origin, type) and issubclass(origin, tuple) and hasattr(origin, "_fields"):
        return TypeProblem(
            f"{type_name(python_type)} is a NamedTuple, which only a return annotation may be",
            "use a dataclass",
        )
    instead = _INSTEAD.get(_name(origin), "use a dataclass with typed fields")
    return TypeProblem(f"the type {type_name(python_type)} is not supported", instead)


def _name(origin: Any) -> str:
    return (
        f"{getattr(origin, '__module__', '')}.{getattr(origin, '__qualname__', getattr(origin, '_name', ''))}"
    )


def _load(module: str) -> Converter:
    converter: Converter = importlib.import_module(module).CONVERTER
    return converter


def _entry_points() -> Any:
    from importlib.metadata import entry_points

    return entry_points(group="limosa.types")


def element_types(python_type: Any) -> tuple[Any, ...]:
    """Type arguments of a generic ("int" of "list[int]"); empty where none were given."""
    return get_args(python_type)
