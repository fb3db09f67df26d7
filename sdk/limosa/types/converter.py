"""What a converter is, and what it may complain of."""

from typing import TYPE_CHECKING, Any, Protocol

from limosa.errors import LimosaError

if TYPE_CHECKING:
    from pathlib import Path

    from limosa.types.transfer import TransferContext
    from limosa_idl.core.v1alpha1.literal_pb2 import Literal
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType

_CONVERSIONS = {"int": "__index__", "float": "__float__", "bool": "__bool__"}
"""The method by which a value of another class says that it can be made one of these."""

_REMEDIES: tuple[tuple[str, Any, str], ...] = (
    ("int", bool, "write int(…)"),
    ("int", float, "write round(…) or int(…)"),
    ("float", (bool, int), "write float(…)"),
    ("str", (bool, int, float), "write str(…)"),
    ("str", bytes, "write ….decode()"),
    ("bytes", str, "write ….encode()"),
    ("bytes", (bytearray, memoryview), "write bytes(…)"),
    ("bool", int, "compare it, such as … != 0"),
    ("list", (tuple, set, frozenset), "write list(…)"),
    ("timedelta", (int, float), "write timedelta(seconds=…)"),
)
"""What is expected, what may be given in its place, and how the one is made of the other."""


class TypeProblem(LimosaError, TypeError):
    """A Python type cannot be used; the remedy names one that can."""

    def __init__(self, message: str, remedy: str = "") -> None:
        """Takes what is wrong and what to use instead; the caller adds the place."""
        super().__init__("UnsupportedType", message, remedy=remedy)


class ValueProblem(LimosaError, TypeError):
    """A value, or a part of it, does not fit its type."""

    def __init__(self, message: str, remedy: str = "", path: str = "") -> None:
        """Takes what is wrong, what to do, and the way into the value ("[2].rate"); the caller adds the place."""
        way = path[1:] if path.startswith(".") else path
        super().__init__("ValueType", f"{way}: {message}" if way else message, remedy=remedy)
        self._bare = message
        self.path = path

    @classmethod
    def inside(cls, step: str, error: Exception) -> "ValueProblem":
        """The same problem as seen from one level further out; a ValueError of a rule counts as one."""
        if isinstance(error, ValueProblem):
            return cls(error._bare, error.remedy, step + error.path)
        return cls(str(error), path=step)


def told_cause(error: Exception) -> BaseException | None:
    """What a complaint of ours about a value names as its cause: the author's own exception, and nothing of ours."""
    return error.__cause__ if isinstance(error, LimosaError) else error


class Converter(Protocol):
    """Both ways between values of one family of Python types and literals."""

    def literal_type(self, python_type: Any) -> "LiteralType":
        """The type on the wire. Raises TypeProblem."""
        ...

    def to_literal(self, value: Any, python_type: Any, transfer: "TransferContext") -> "Literal":
        """The literal of a value. Raises ValueProblem."""
        ...

    def to_python(self, literal: "Literal", python_type: Any, transfer: "TransferContext") -> Any:
        """The value of a literal. Raises ValueProblem."""
        ...


def type_name(python_type: Any) -> str:
    """A type as its author wrote it."""
    if python_type is None or python_type is type(None):
        return "None"
    if isinstance(python_type, type) and not getattr(python_type, "__args__", None):
        return python_type.__name__
    return str(python_type).replace("typing.", "").replace("collections.abc.", "")


def mismatch(expected: str, value: Any) -> ValueProblem:
    """The usual complaint, with what to do: "expected int, got str 'a'; write int(…)"."""
    kind = type(value)
    if value is None:
        return ValueProblem(f"expected {expected}, got None")
    conversion = _CONVERSIONS.get(expected)
    if (
        conversion
        and kind.__module__ != "builtins"
        and hasattr(kind, conversion)
        and not hasattr(kind, "__len__")
    ):
        named = f"{kind.__module__}.{kind.__qualname__}"
        return ValueProblem(f"expected {expected}, got {named}", f"write {expected}(…)")
    shown = repr(value)
    if "\n" in shown:
        shown = " ".join(shown.split())
    if len(shown) > 80:
        shown = shown[:77] + "…"
    return ValueProblem(f"expected {expected}, got {type_name(kind)} {shown}", _remedy(expected, value))


def _remedy(expected: str, value: Any) -> str:
    """How to make a value of the type expected; empty where the type says all there is."""
    name = expected.partition("[")[0]
    if name == "list" and hasattr(value, "tolist"):
        return "write ….tolist()"
    if name == "date" and hasattr(value, "date"):
        return "write ….date()"
    for wanted, kinds, remedy in _REMEDIES:
        if name == wanted and isinstance(value, kinds):
            return remedy
    return ""


def literal_mismatch(expected: str, literal: "Literal") -> ValueProblem:
    """The complaint about a stored value: "expected int, got str"."""
    from limosa_model.types import name_of

    return ValueProblem(f"expected {expected}, got {name_of(literal)}")


def written_first(what: str, path: "Path") -> str:
    """The remedy for a file or directory that is not there; a relative path says where it was looked for."""
    sought = "" if path.is_absolute() else f"; it was looked for at {path.absolute()}"
    return f"write the {what} before it is passed on{sought}"


def refuse_address(kind: str, path: str) -> None:
    """Refuses an address where the path of a local file or directory belongs. Raises LimosaError."""
    scheme, _, _ = path.partition(":/")
    if len(scheme) > 1 and scheme.isalnum():
        from limosa.origin import caller

        message = f"{kind}() takes the path of a local {kind.lower()}, and {path} is an address"
        remedy = (
            f"give it to the run as an input of type {kind} (what lies in the platform's store is taken as it is), or fetch it in a "
            "task with a library of yours"
        )
        raise LimosaError("AddressNotPath", message, str(caller()), remedy)
