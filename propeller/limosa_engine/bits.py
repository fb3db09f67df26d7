"""Varints, texts and nibbles."""

import builtins
from collections.abc import Sequence

_MOST_BITS = 128
"""An integer beyond this is an attack on whoever adds up its bytes."""


class CodecError(ValueError):
    """Bytes that are not an encoded state."""


class Writer:
    """Appends to bytes."""

    def __init__(self) -> None:
        self._out = bytearray()

    def bytes(self) -> bytes:
        """All that was written."""
        return bytes(self._out)

    def integer(self, value: int) -> None:
        """An integer from 0: seven bits a byte, least significant first."""
        out = self._out
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)

    def optional(self, value: int | None) -> None:
        """An integer from 0, or None."""
        self.integer(0 if value is None else value + 1)

    def text(self, value: str) -> None:
        """UTF-8 with its length."""
        self.block(value.encode())

    def raw(self, data: builtins.bytes) -> None:
        """Bytes; the reader has to know how many."""
        self._out += data

    def block(self, data: builtins.bytes) -> None:
        """Bytes with their length."""
        self.integer(len(data))
        self._out += data

    def nibbles(self, values: Sequence[int]) -> None:
        """Integers from 0 to 15, two a byte; the reader has to know how many."""
        if len(values) % 2:
            values = [*values, 0]
        self._out += bytes(low | high << 4 for low, high in zip(values[::2], values[1::2], strict=True))


class Reader:
    """Reads what Writer wrote."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self._at == len(self._data)

    def integer(self) -> int:
        """The next integer."""
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > _MOST_BITS:
                raise CodecError("the state has an integer that is too long")

    def optional(self) -> int | None:
        """The next optional integer."""
        value = self.integer()
        return None if value == 0 else value - 1

    def text(self) -> str:
        """The next text."""
        return self._take(self.integer()).decode()

    def raw(self, count: int) -> bytes:
        """The next `count` bytes."""
        return self._take(count)

    def block(self) -> bytes:
        """The next bytes that have their length."""
        return self._take(self.integer())

    def nibbles(self, count: int) -> list[int]:
        """The next `count` nibbles."""
        found: list[int] = []
        for byte in self._take((count + 1) // 2):
            found += (byte & 0xF, byte >> 4)
        return found[:count]

    def _take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise CodecError("the state ends too early")
        self._at += count
        return self._data[self._at - count : self._at]
