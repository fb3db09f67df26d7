"""Branch conditions over primitives, enums and none."""

import types
from collections.abc import Mapping

from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Comparison, Condition, Operand
from limosa_model.values import to_python_primitive

_SYMBOLS = {
    Comparison.OPERATOR_EQ: "==",
    Comparison.OPERATOR_NE: "!=",
    Comparison.OPERATOR_LT: "<",
    Comparison.OPERATOR_LE: "<=",
    Comparison.OPERATOR_GT: ">",
    Comparison.OPERATOR_GE: ">=",
}


class ConditionError(ValueError):
    """A condition cannot be evaluated on the values it got."""


def evaluate(condition: Condition, operands: Mapping[str, Literal]) -> bool:
    """The truth of a condition.

    Args:
        condition: What to evaluate; `all_of` and `any_of` stop at the first operand that decides.
        operands: The branch node's resolved inputs by name.

    Raises:
        ConditionError: An operand is missing, not comparable, or not a boolean where one is needed.
    """
    kind = condition.WhichOneof("kind")
    if kind == "comparison":
        return _compare(condition.comparison, operands)
    if kind == "all_of":
        return all(evaluate(part, operands) for part in condition.all_of.conditions)
    if kind == "any_of":
        return any(evaluate(part, operands) for part in condition.any_of.conditions)
    if kind == "negation":
        return not evaluate(condition.negation, operands)
    if kind == "truth":
        value = _value(condition.truth, operands)
        if not isinstance(value, bool):
            raise ConditionError(f"{describe_operand(condition.truth)} is {value!r}, not a boolean")
        return value
    raise ConditionError("a condition has no kind")


def describe(condition: Condition, names: Mapping[str, str] = types.MappingProxyType({})) -> str:
    """A condition as a person would write it, inputs under other `names` where these have one."""
    kind = condition.WhichOneof("kind")
    if kind == "comparison":
        comparison = condition.comparison
        symbol = _SYMBOLS.get(comparison.operator, "?")
        return (
            f"{describe_operand(comparison.left, names)} {symbol} {describe_operand(comparison.right, names)}"
        )
    if kind == "all_of":
        return " and ".join(f"({describe(part, names)})" for part in condition.all_of.conditions)
    if kind == "any_of":
        return " or ".join(f"({describe(part, names)})" for part in condition.any_of.conditions)
    if kind == "negation":
        return f"not ({describe(condition.negation, names)})"
    return describe_operand(condition.truth, names)


def describe_operand(operand: Operand, names: Mapping[str, str] = types.MappingProxyType({})) -> str:
    """An operand as a person would write it: the input's name (its other one, if any), or the literal."""
    if operand.WhichOneof("kind") == "input":
        return names.get(operand.input, operand.input)
    return repr(to_python_primitive(operand.literal))


def _value(operand: Operand, operands: Mapping[str, Literal]) -> object:
    if operand.WhichOneof("kind") == "input":
        if operand.input not in operands:
            raise ConditionError(f"operand '{operand.input}' is not among the branch's inputs")
        literal = operands[operand.input]
    else:
        literal = operand.literal
    try:
        return to_python_primitive(literal)
    except ValueError as error:
        raise ConditionError(f"{describe_operand(operand)}: {error}") from error


def _compare(comparison: Comparison, operands: Mapping[str, Literal]) -> bool:
    left, right = _value(comparison.left, operands), _value(comparison.right, operands)
    operator = comparison.operator
    if operator == Comparison.OPERATOR_EQ:
        return left == right
    if operator == Comparison.OPERATOR_NE:
        return left != right
    try:
        if operator == Comparison.OPERATOR_LT:
            return bool(left < right)  # type: ignore[operator]
        if operator == Comparison.OPERATOR_LE:
            return bool(left <= right)  # type: ignore[operator]
        if operator == Comparison.OPERATOR_GT:
            return bool(left > right)  # type: ignore[operator]
        if operator == Comparison.OPERATOR_GE:
            return bool(left >= right)  # type: ignore[operator]
    except TypeError:
        text = (
            f"{describe_operand(comparison.left)} {_SYMBOLS[operator]} {describe_operand(comparison.right)}"
        )
        raise ConditionError(f"{text} cannot compare {left!r} with {right!r}") from None
    raise ConditionError("a comparison has no operator")
