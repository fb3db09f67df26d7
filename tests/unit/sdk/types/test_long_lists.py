"""Lists of plain values, written and read in place: the same literals, messages and values, with few calls for each."""

import sys

import pytest

from limosa.types import ValueProblem, to_literal, to_python
from limosa.types.transfer import NoTransfer
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_model import values

NOWHERE = NoTransfer("the value", "")


@pytest.mark.parametrize(
    ("element", "items"),
    [(int, [0, 7, -(2**63)]), (float, [0.0, -0.0, 0.1]), (str, ["", "ä", "b"]), (bool, [False, True]), (int, [])],
)  # fmt: skip
def test_a_list_of_plain_values_is_the_list_of_their_literals(element, items):
    literal = to_literal(items, list[element], NOWHERE)
    assert literal == values.collection([to_literal(item, element, NOWHERE) for item in items])
    again = to_python(Literal.FromString(literal.SerializeToString()), list[element], NOWHERE)
    assert [repr(item) for item in again] == [repr(item) for item in items]


@pytest.mark.parametrize(
    ("element", "items", "told"),
    [
        (int, [0, 2**63], "[1]: 9223372036854775808 does not fit a signed 64-bit integer"),
        (str, ["", "\ud800"], "[1]: the text cannot be encoded as UTF-8"),
        (int, [0, True], "[1]: expected int, got bool True"),
    ],
)
def test_an_element_that_does_not_fit_is_told_as_by_itself(element, items, told):
    with pytest.raises(ValueProblem) as caught:
        to_literal(items, list[element], NOWHERE)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("stored", [[""], ["a"], [None]])
def test_a_stored_element_of_another_type_is_told(stored):
    literal = to_literal(stored, list[str | None], NOWHERE)
    with pytest.raises(ValueProblem, match=r"^\[0\]: expected int, got"):
        to_python(literal, list[int], NOWHERE)


def test_each_element_takes_few_calls():
    items, calls = list(range(1000)), []
    sys.setprofile(lambda frame, event, argument: calls.append(event))
    try:
        literal = to_literal(items, list[int], NOWHERE)
        written = len(calls)
        again = to_python(literal, list[int], NOWHERE)
    finally:
        sys.setprofile(None)
    assert again == items
    assert written < 8 * len(items)
    assert len(calls) - written < 6 * len(items)
