"""Nodes that compute, as authors write them: what they may be used for, and what is refused where."""

import pytest

from limosa import nodes
from limosa.errors import LimosaError

HEAD = """
from limosa import *
from limosa.nodes import length

@task
def rows(n: int) -> list[int]:
    return [0] * n

@task
def double(x: int) -> int:
    return 2 * x
"""


def test_what_a_node_computes_is_a_result_like_any_other(author):
    closure = author.compile(
        HEAD
        + """
@workflow
def wf(named: dict[str, int]) -> int:
    made = rows(n=length(named))
    many = length(values=made)
    check(many > 1, "too few") >> rows(n=1)
    return conditional("size").if_(many > 10).then(double(x=many)).else_().then(length(made))
"""
    ).closure
    found = closure.workflows[0].nodes
    assert [node.WhichOneof("target") for node in found][:3] == ["computed", "task", "computed"]
    assert (found[0].display_name, found[0].computed.kind) == ("length", "length")
    assert found[1].inputs[0].data.output.node == found[0].id
    assert [one.name for one in found[2].computed.interface.inputs] == ["values"]


def test_lists_of_results_and_of_simple_values_are_taken(author):
    body = "return double(x=length([length([1, 2]), double(x=1), 3]))"
    (inner, _, outer, _) = (
        author.compile(f"{HEAD}\n@workflow\ndef wf() -> int:\n    {body}\n").closure.workflows[0].nodes
    )
    assert len(inner.inputs[0].data.literal.collection.literals) == 2
    assert [one.WhichOneof("value") for one in outer.inputs[0].data.collection.items] == [
        "output",
        "output",
        "literal",
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return length(double(x=1))", "length(): it measures lists and dicts, not a value of type int"),
        ("return length()", "length() takes values, each once; write length(values)"),
        ("return length(rows(n=1), values=rows(n=2))", "length() takes values, each once"),
        ("return length(of=rows(n=1))", "length() takes values, each once"),
        ("return length(object())", "which is no result and no simple value"),
        (
            "return length([double(x=1), 'a'])",
            "length(): input 'values'[1]: expected int, got str, as the items before it; pass items of one type",
        ),
        ("return length(3)", "length(): it measures lists and dicts, not a value of type int"),
        ("return rows(n=length(rows(n=1)) + 1)", "the result of +, but the result of length() is a promise"),
    ],
)
def test_misuse_is_refused_at_its_line(author, body, told):
    error = author.error(f"{HEAD}\n@workflow\ndef wf() -> int:\n    {body}\n").replace("\n  → ", "; ")
    assert told in error
    assert "flow.py:14" in error


def test_outside_of_a_workflow_python_is_at_hand():
    with pytest.raises(LimosaError, match=r"length\(\) was called outside of a workflow's function"):
        nodes.length([1])


def test_an_unknown_word_is_answered_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"limosa\.nodes has no 'lenght'; did you mean 'length'\?"):
        _ = nodes.lenght
    assert "length" in dir(nodes)
