"""How much memory a serialised message takes once it is decoded, told from its bytes without decoding it."""

from collections.abc import Mapping
from functools import cache
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

MESSAGE_BYTES = 64
"""About what a message inside another one takes, beside its fields' own bytes: an empty one has two of them."""
FIELD_BYTES = 16
"""The same of a text or of bytes."""
MOST_GROWTH = 1 + MESSAGE_BYTES // 2
"""At most so many times its bytes a message takes."""


def decoded_size(message: type[Message], data: bytes, most: int) -> int:
    """About how many bytes a message of a type takes in memory; where it is more than `most`, some number above that.

    Costs no more than `most` allows, whatever the bytes are. Bytes that are no message count as far as they are one:
    decoding refuses them.
    """
    if len(data) * MOST_GROWTH <= most:
        return len(data) * MOST_GROWTH
    size = len(data)
    left = [(cast(Descriptor, message.DESCRIPTOR), 0, len(data))]
    try:
        while left and size <= most:
            inside, at, end = left.pop()
            messages = _messages(inside)
            while at < end and size <= most:
                tag, at = _varint(data, at)
                kind = tag & 7
                if kind == 2:
                    length, at = _varint(data, at)
                    found = messages.get(tag >> 3)
                    if found is None:
                        size += FIELD_BYTES
                    else:
                        size += MESSAGE_BYTES
                        left.append((found, at, min(at + length, end)))
                    at += length
                elif kind == 0:
                    _, at = _varint(data, at)
                else:
                    at += {1: 8, 5: 4}.get(kind, 0)
    except IndexError:
        return size
    return size


@cache
def _messages(descriptor: Descriptor) -> Mapping[int, Descriptor]:
    """By number, the fields of a message that are messages."""
    return {
        field.number: field.message_type
        for field in descriptor.fields
        if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None
    }


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The integer that begins at a place, of ten bytes at most, and where the next thing begins."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError("no integer of protobuf's is longer")
