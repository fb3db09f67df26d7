"""What a message will take in memory, told from its bytes."""

from hypothesis import given
from hypothesis import strategies as st

from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralCollection
from limosa_model import values
from limosa_model.decoded_size import MESSAGE_BYTES, MOST_GROWTH, decoded_size

MIB = 1024 * 1024


def many(one: Literal, count: int) -> bytes:
    """A list of many; each of its elements stands in a list of its own, as the wire allows."""
    return Literal(collection=LiteralCollection(literals=[one])).SerializeToString() * count


def test_numbers_take_many_times_their_bytes() -> None:
    data = many(values.integer(1), 10_000)
    assert 10_000 * 2 * MESSAGE_BYTES < decoded_size(Literal, data, 10 * MIB) < 10_000 * 5 * MESSAGE_BYTES


def test_a_long_text_takes_its_bytes() -> None:
    data = values.string("a" * MIB).SerializeToString()
    assert len(data) < decoded_size(Literal, data, 8 * MIB) < len(data) + 1000


def test_few_bytes_that_take_much_memory_are_found_out() -> None:
    data = many(Literal(), MIB // 4)
    assert decoded_size(Literal, data, 4 * MIB) > 4 * MIB


def test_it_looks_no_further_than_it_has_to() -> None:
    data = many(values.integer(1), 100_000)
    assert decoded_size(Literal, data, MIB) < MIB + 1000


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_have_some_size(data: bytes) -> None:
    assert len(data) <= decoded_size(Literal, data, 0)
    assert decoded_size(Literal, data, 10**6) <= len(data) * MOST_GROWTH
