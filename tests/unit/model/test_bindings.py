import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa_idl.core.v1alpha1.literal_pb2 import Literal, Record, UnionValue
from limosa_idl.workflow.v1alpha1.workflow_pb2 import (
    Accessor,
    BindingCollection,
    BindingData,
    BindingMap,
    Comparison,
    Condition,
    Conjunction,
    InputRef,
    Operand,
    OutputRef,
)
from limosa_model import values
from limosa_model.bindings import BindingError, follow, outputs_of, resolve
from limosa_model.conditions import ConditionError, describe, evaluate

ONE, TWO = values.integer(1), values.integer(2)
RECORD = Literal(record=Record(fields={"rows": values.collection([ONE, TWO])}))


def key(name):
    return Accessor(key=name)


def at(position):
    return Accessor(position=position)


def test_steps_into_values():
    assert follow(RECORD, [key("rows"), at(-1)]) == TWO
    assert follow(values.struct({"a": [{"b": 5}]}), [key("a"), at(0), key("b")]) == values.integer(5)
    assert follow(Literal(union_value=UnionValue(tag="r", value=RECORD)), [key("rows"), at(0)]) == ONE


@pytest.mark.parametrize(
    ("literal", "path", "message"),
    [
        (RECORD, [key("cols")], "there is no 'cols': the value has rows"),
        (RECORD, [key("rows"), at(2)], "[2] is out of range: the list has 2 items"),
        (ONE, [key("x")], "'x' needs a record or dict, got int"),
        (ONE, [at(0)], "[0] needs a list, got int"),
        (values.struct({"a": 1}), [key("b")], "['b'] is not in the dict"),
    ],
)
def test_steps_that_do_not_exist_are_named(literal, path, message):
    with pytest.raises(BindingError) as caught:
        follow(literal, path)
    assert message in str(caught.value)


def test_bindings_gather_from_outputs_inputs_and_literals():
    data = BindingData(
        collection=BindingCollection(
            items=[
                BindingData(literal=ONE),
                BindingData(output=OutputRef(node="n0", output="o0", path=[key("rows"), at(1)])),
                BindingData(map_value=BindingMap(items={"k": BindingData(input=InputRef(name="a"))})),
            ]
        )
    )
    resolved = resolve(data, lambda node, output: {("n0", "o0"): RECORD}[node, output], {"a": TWO})
    assert values.to_plain(resolved) == [1, 2, {"k": 2}]
    assert list(outputs_of(data)) == [("n0", "o0")]


def test_an_unknown_workflow_input_is_named():
    with pytest.raises(BindingError, match="no input 'b'"):
        resolve(BindingData(input=InputRef(name="b")), lambda *_: ONE, {})


def compare(operator, left, right):
    return Condition(
        comparison=Comparison(
            operator=getattr(Comparison, f"OPERATOR_{operator}"),
            left=Operand(input="left"),
            right=Operand(literal=right),
        )
    ), {"left": left}


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_comparisons_are_pythons(a, b):
    expected = {"EQ": a == b, "NE": a != b, "LT": a < b, "LE": a <= b, "GT": a > b, "GE": a >= b}
    for operator, truth in expected.items():
        condition, operands = compare(operator, values.integer(a), values.integer(b))
        assert evaluate(condition, operands) is truth


def test_none_equals_none_only():
    condition, operands = compare("EQ", values.none(), values.none())
    assert evaluate(condition, operands)
    condition, operands = compare("EQ", ONE, values.none())
    assert not evaluate(condition, operands)


def test_ordering_across_types_is_an_error_that_shows_both():
    condition, operands = compare("GT", values.string("a"), ONE)
    with pytest.raises(ConditionError, match="left > 1 cannot compare 'a' with 1"):
        evaluate(condition, operands)


def test_conjunctions_stop_at_the_first_that_decides():
    yes, no = (Condition(truth=Operand(literal=values.boolean(truth))) for truth in (True, False))
    broken = Condition(truth=Operand(input="missing"))
    assert not evaluate(Condition(all_of=Conjunction(conditions=[no, broken])), {})
    assert evaluate(Condition(any_of=Conjunction(conditions=[yes, broken])), {})
    assert evaluate(Condition(negation=no), {})
    with pytest.raises(ConditionError, match="'missing' is not among"):
        evaluate(Condition(all_of=Conjunction(conditions=[yes, broken])), {})


def test_only_booleans_have_a_truth():
    with pytest.raises(ConditionError, match="1 is 1, not a boolean"):
        evaluate(Condition(truth=Operand(literal=ONE)), {})


def test_conditions_read_as_they_were_written():
    condition, _ = compare("GE", ONE, TWO)
    both = Condition(all_of=Conjunction(conditions=[condition, Condition(negation=condition)]))
    assert describe(both) == "(left >= 2) and (not (left >= 2))"
