"""Which converter a Python type has. Open: entry points and `register` add to it."""

import importlib
from typing import TYPE_CHECKING, Any, get_args, get_origin

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
    "builtins.bytes": "limosa.types.binary",
    "builtins.NoneType": "limosa.types.none",
    "builtins.list": "limosa.types.list_",
    "builtins.dict": "limosa.types.dict_",
    "datetime.datetime": "limosa.types.datetime_",
    "datetime.date": "limosa.types.date",
    "datetime.timedelta": "limosa.types.timedelta",
    "collections.abc.Iterator": "limosa.types.json_lines",
    "collections.abc.Iterable": "limosa.types.json_lines",
    "collections.abc.Generator": "limosa.types.json_lines",
    "limosa.types.json_data.JsonData": "limosa.types.json_data",
    "limosa.types.pickled.Pickle": "limosa.types.pickled",
    "limosa.types.file.File": "limosa.types.file",
    "limosa.types.directory.Directory": "limosa.types.directory",
    "pandas.core.frame.DataFrame": "limosa.types.pandas_frame",
    "pandas.DataFrame": "limosa.types.pandas_frame",
    "pyarrow.lib.Table": "limosa.types.arrow_table",
    "numpy.ndarray": "limosa.types.numpy_array",
}
"""By qualified name, so that looking a type up imports nothing but its own converter."""

_BASES = {
    "numpy.generic": "limosa.types.numpy_scalar",
    "pydantic.main.BaseModel": "limosa.types.pydantic_model",
    "google.protobuf.message.Message": "limosa.types.protobuf_message",
}
"""Likewise, of classes whose subclasses it converts too."""

_FORMS = {
    "typing.Union": "limosa.types.union",
    "types.UnionType": "limosa.types.union",
    "typing.Literal": "limosa.types.literal_choice",
}
"""Types that are no classes."""

_INSTEAD = {
    "builtins.tuple": "use list[T], or a NamedTuple for several outputs",
    "builtins.set": "use list[T]",
    "builtins.frozenset": "use list[T]",
    "builtins.bytearray": "use bytes",
    "builtins.complex": "use a dataclass with two floats",
    "builtins.object": "name the concrete type",
    "typing.Any": "name the concrete type, or use dict for JSON-like data",
    "datetime.time": "use timedelta, or str",
    "uuid.UUID": "use str",
    "decimal.Decimal": "use str, or int in the smallest unit",
    "pathlib.Path": "use File or Directory: a path means nothing in another pod",
    "pathlib.PosixPath": "use File or Directory: a path means nothing in another pod",
    # As Python 3.13 calls them.
    "pathlib._local.Path": "use File or Directory: a path means nothing in another pod",
    "pathlib._local.PosixPath": "use File or Directory: a path means nothing in another pod",
    "pandas.core.series.Series": "use a pandas.DataFrame with one column",
    "pandas.Series": "use a pandas.DataFrame with one column",
}

_NEAREST = {
    "collections.abc.Mapping": "use dict[str, T]",
    "collections.abc.MutableMapping": "use dict[str, T]",
    "collections.abc.Sequence": "use list[T]",
    "collections.abc.MutableSequence": "use list[T]",
    "collections.abc.Set": "use list[T]",
    "builtins.dict": "use dict[str, T], or a TypedDict",
    "builtins.list": "use list[T]",
    "builtins.str": "use str",
    "builtins.int": "use int",
    "builtins.float": "use float",
    "builtins.bytes": "use bytes",
    "builtins.tuple": "use a dataclass",
}
"""What to use for a class without more to say of it, by what it is or derives from."""

_registered: dict[Any, Converter] = {}
_found: dict[Any, tuple[Converter, bool]] = {}
"""With whether the type has another one inside that is meant."""


def register(python_type: Any, converter: Converter) -> None:
    """Adds a converter for a class and, unless they have their own, its subclasses.

    A package does the same without code of ours running first: an entry point of group `limosa.types` whose name is the
    class's qualified name ("mypkg.frames.Grid") and whose object is the converter.
    """
    _registered[python_type] = converter
    _found.clear()


def find(python_type: Any) -> Converter:
    """The converter of a type. Raises TypeProblem with what to use instead."""
    return _find(python_type)[0]


def literal_type(python_type: Any) -> "LiteralType":
    """What a Python type is on the wire. Raises TypeProblem."""
    converter, bare = _find(python_type)
    made = converter.literal_type(bare)
    if not made.hint:
        made.hint = type_name(bare)
    return made


def to_literal(value: Any, python_type: Any, transfer: "TransferContext") -> "Literal":
    """The literal of a value. Raises ValueProblem."""
    converter, bare = _find(python_type)
    return converter.to_literal(value, bare, transfer)


def to_python(literal: "Literal", python_type: Any, transfer: "TransferContext") -> Any:
    """The value of a literal; an offloaded one is fetched first. Raises ValueProblem and CorruptData."""
    if literal.WhichOneof("value") == "offloaded":
        from limosa.types.offloaded import fetch

        literal = fetch(literal, transfer)
    converter, bare = _find(python_type)
    return converter.to_python(literal, bare, transfer)


def meant(python_type: Any) -> Any:
    """A type without its notes and further names: Annotated, NewType, and aliases made with `type`."""
    if hasattr(python_type, "__metadata__"):
        return meant(python_type.__origin__)
    for attribute in ("__supertype__", "__value__"):
        if not isinstance(python_type, type) and hasattr(python_type, attribute):
            return meant(getattr(python_type, attribute))
    return python_type


def _find(python_type: Any) -> tuple[Converter, Any]:
    """The converter of a type, and the type that it is to convert."""
    try:
        known = _found.get(python_type)
    except TypeError:
        # What an Annotated carries need not be hashable.
        if meant(python_type) is python_type:
            raise TypeProblem(f"{python_type!r} is not a type", "annotate with a type") from None
        return _find(meant(python_type))
    if known is None:
        known = _look_up(meant(python_type)), meant(python_type) is not python_type
        _found[python_type] = known
    # The type itself is not kept: int | str equals str | int, and is another one.
    return known[0], meant(python_type) if known[1] else python_type


def _look_up(python_type: Any) -> Converter:
    if python_type is None:
        python_type = type(None)
    origin = get_origin(python_type) or python_type
    if _name(origin) in _FORMS:
        return _load(_FORMS[_name(origin)])
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
    bases = (_BASES[_name(base)] for base in origin.__mro__ if _name(base) in _BASES)
    return next((_load(module) for module in bases), None)


def _by_shape(origin: type) -> Converter | None:
    import enum

    if issubclass(origin, enum.Enum):
        return _load("limosa.types.enumeration")
    if hasattr(origin, "__dataclass_fields__"):
        return _load("limosa.types.dataclass_")
    if hasattr(origin, "__optional_keys__"):
        return _load("limosa.types.typed_dict")
    return None


def _unsupported(python_type: Any, origin: Any) -> TypeProblem:
    name = type_name(python_type)
    if isinstance(origin, type) and issubclass(origin, tuple) and hasattr(origin, "_fields"):
        return TypeProblem(
            f"{name} is a NamedTuple, which only a return annotation may be", "use a dataclass"
        )
    instead = _INSTEAD.get(_name(origin)) or _nearest(origin)
    if "Path" not in name:
        instead += f", or Pickle[{name}] to have it pickled"
    return TypeProblem(f"the type {name} is not supported", instead)


def _nearest(origin: Any) -> str:
    bases = origin.__mro__ if isinstance(origin, type) else ()
    return next(
        (_NEAREST[_name(base)] for base in bases if _name(base) in _NEAREST),
        "use a dataclass with typed fields, a File that it is saved to (such as a fitted model)",
    )


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
