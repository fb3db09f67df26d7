"""Conditions of a branch: comparisons of promises, joined by & and |."""

import enum
from typing import TYPE_CHECKING, Any, NoReturn

from limosa.errors import LimosaError
from limosa.origin import caller
from limosa.promises import Promise

if TYPE_CHECKING:
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
    from limosa_idl.workflow.v1alpha1 import workflow_pb2


PARENTHESES = "put every comparison that & or | joins into parentheses: (a > 0) & (b == None)"
"""Python binds & and | tighter than comparisons: a == None & b > 0 means a == (None & b) > 0."""


class Condition:
    """A condition and the promises it reads, by label."""

    def __init__(self, message: "workflow_pb2.Condition", promises: dict[str, Promise]) -> None:
        """Takes the condition on the wire and what its operands stand for."""
        self.message = message
        self.promises = promises

    @classmethod
    def truth(cls, promise: Promise, remedy: str = "compare it: if_(value > 0)") -> "Condition":
        """That a boolean promise is true. Raises LimosaError with the remedy for another one."""
        from limosa_idl.workflow.v1alpha1 import workflow_pb2
        from limosa_model.types import describe

        if promise.type_ is not None and describe(promise.type_) not in ("bool", "dict", "JSON"):
            message = f"{promise.label()} is {describe(promise.type_)}, not bool"
            raise LimosaError("ConditionOperand", message, str(caller()), remedy)
        operand = workflow_pb2.Operand(input=promise.label())
        return cls(workflow_pb2.Condition(truth=operand), {promise.label(): promise})

    @classmethod
    def comparison(cls, operator: str, left: Any, right: Any) -> "Condition":
        """A comparison; each side is a promise or a plain value."""
        from limosa_idl.workflow.v1alpha1 import workflow_pb2

        if isinstance(right, Condition):
            raise unparenthesised(str(caller()))
        _check_comparable(operator, left, right)
        promises: dict[str, Promise] = {}
        comparison = workflow_pb2.Comparison(
            operator=workflow_pb2.Comparison.Operator.Value(f"OPERATOR_{operator}"),
            left=_operand(left, promises),
            right=_operand(right, promises),
        )
        return cls(workflow_pb2.Condition(comparison=comparison), promises)

    def __and__(self, other: Any) -> "Condition":
        return self._join("all_of", other)

    def __or__(self, other: Any) -> "Condition":
        return self._join("any_of", other)

    def __invert__(self) -> "Condition":
        from limosa_idl.workflow.v1alpha1 import workflow_pb2

        return Condition(workflow_pb2.Condition(negation=self.message), self.promises)

    def __bool__(self) -> NoReturn:
        raise LimosaError(
            "ConditionUsed",
            "the truth of a condition is known only in the run",
            str(caller()),
            'branch with conditional("name").if_(…).then(…).else_().then(…), and join conditions with & and | in '
            "parentheses, not with 'and', 'or' or a chain such as a < b < c",
        )

    def _join(self, kind: str, other: Any) -> "Condition":
        from limosa_idl.workflow.v1alpha1 import workflow_pb2

        second = Condition.truth(other, PARENTHESES) if isinstance(other, Promise) else as_condition(other)
        parts = workflow_pb2.Conjunction(conditions=[self.message, second.message])
        joined = workflow_pb2.Condition(**{kind: parts})  # type: ignore[arg-type]
        return Condition(joined, {**self.promises, **second.promises})


def unparenthesised(place: str) -> LimosaError:
    """The error of a comparison that & or | took a side of."""
    message = (
        "& and | bind tighter than a comparison, so they join what stands beside them and not the comparisons"
    )
    return LimosaError("ConditionOperand", message, place, PARENTHESES)


def _refuse(_self: Condition, _other: Any) -> NoReturn:
    raise unparenthesised(str(caller()))


for _name in ("eq", "ne", "lt", "le", "gt", "ge", "rand", "ror"):
    setattr(Condition, f"__{_name}__", _refuse)


def as_condition(value: Any) -> Condition:
    """A condition from what an author passed to if_ or joined. Raises LimosaError on a plain value."""
    if isinstance(value, Condition):
        return value
    if isinstance(value, Promise):
        return Condition.truth(value)
    raise LimosaError(
        "ConditionValue",
        f"{value!r} is known while the workflow is compiled, so there is nothing to decide in the run",
        str(caller()),
        "compare a promise, or use Python's own if",
    )


def _operand(value: Any, promises: dict[str, Promise]) -> "workflow_pb2.Operand":
    from limosa.types import to_literal
    from limosa.types.converter import TypeProblem
    from limosa.types.transfer import NoTransfer
    from limosa_idl.workflow.v1alpha1 import workflow_pb2

    if isinstance(value, Promise):
        promises[value.label()] = value
        return workflow_pb2.Operand(input=value.label())
    if (
        value is not None
        and not isinstance(value, (bool, int, float, str, enum.Enum))
        and not _is_time(value)
    ):
        raise LimosaError(
            "ConditionOperand",
            f"a condition cannot compare with {type(value).__name__} {value!r}",
            str(caller()),
            "compare with a bool, number, str, datetime, date, enum or None",
        )
    try:
        return workflow_pb2.Operand(
            literal=to_literal(value, type(value), NoTransfer("an operand", "compare inside a task"))
        )
    except TypeProblem as error:
        raise LimosaError("ConditionOperand", error.message, str(caller()), error.remedy) from error


_ORDERED = ("int", "float", "str", "datetime", "date", "timedelta")


def _check_comparable(operator: str, left: Any, right: Any) -> None:
    """Refuses what the run could not decide, or would always decide the same way."""
    kinds = [_kinds(left), _kinds(right)]
    if not all(kinds):
        return
    equality = operator in ("EQ", "NE")
    common = kinds[0] & kinds[1]
    if not common or not (equality or common & {"number", *_ORDERED}):
        symbol = {"EQ": "==", "NE": "!=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}[operator]
        shown = [" | ".join(sorted(kind)).replace("number", "int or float") for kind in kinds]
        message = f"a condition cannot decide {shown[0]} {symbol} {shown[1]}"
        remedy = "compare values of one type" if not common else "only numbers, texts and times have an order"
        raise LimosaError("ConditionOperand", message, str(caller()), remedy)


def _kinds(value: Any) -> set[str]:
    """What a side of a comparison can be; empty where only the run can tell."""
    if isinstance(value, Promise):
        return set() if value.type_ is None else _kinds_of_type(value.type_)
    if isinstance(value, bool) or value is None:
        return {"bool" if value is not None else "None"}
    if isinstance(value, (int, float)) and not isinstance(value, enum.Enum):
        return {"number"}
    if isinstance(value, enum.Enum):
        return {"enum"}
    # A text is also how an enum's value may be written.
    return {"str", "enum"} if isinstance(value, str) else {type(value).__name__}


def _kinds_of_type(type_: "LiteralType") -> set[str]:
    from limosa_model.types import describe

    if type_.WhichOneof("kind") == "union_type":
        parts = [_kinds_of_type(variant.type) for variant in type_.union_type.variants]
        return set() if not all(parts) else set().union(*parts)
    if type_.WhichOneof("kind") == "enum_type":
        return {"enum"}
    name = describe(type_)
    if name in ("dict", "JSON"):
        return set()
    return {"number"} if name in ("int", "float") else {name}


def _is_time(value: Any) -> bool:
    import datetime as dt

    return isinstance(value, (dt.date, dt.timedelta))
