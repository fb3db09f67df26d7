"""Reading a bundle's tar: only what packing writes (plain files, directories, long names), and nothing is guessed.

The standard library's reader also takes links, sparse files and every historical dialect, and costs a pod more than all
else it does with a bundle.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_BLOCK = 512
_MAX_RECORDS = 1 << 20
_FILE, _DIRECTORY, _RECORDS = (b"0", b"\0"), b"5", b"x"


class MalformedTar(ValueError):
    """The bytes are no tar; the text says why."""


class Member(NamedTuple):
    """One entry of a tar.

    Attributes:
        name: Path as written, without a directory's closing slash.
        size: Bytes of a file, which the stream stands at when the member is given.
        executable: Whether its owner may execute it.
        is_file: A plain file.
        is_directory: A directory; what is neither is a link or a special file.
    """

    name: str
    size: int
    executable: bool
    is_file: bool
    is_directory: bool


def read_members(tar: BinaryIO) -> Iterator[Member]:
    """Yields the members in their order.

    Args:
        tar: Seekable; may be read up to a member's size before the next one is asked for.

    Raises:
        MalformedTar: A header or its end is not as a tar's must be.
    """
    long_name = None
    while any(header := _exactly(tar, _BLOCK)):
        _check_sum(header)
        size = _number(header[124:136])
        start = tar.tell()
        kind = header[156:157]
        if kind == _RECORDS:
            if size > _MAX_RECORDS:
                raise MalformedTar("a header's records are too long")
            long_name = _path_of(_exactly(tar, size))
        else:
            name = long_name or _name_of(header)
            long_name = None
            if kind == _DIRECTORY:
                name, size = name.rstrip("/"), 0
            executable = bool(_number(header[100:108]) & 0o100)
            yield Member(name, size, executable, kind in _FILE, kind == _DIRECTORY)
        tar.seek(start + (size + _BLOCK - 1) // _BLOCK * _BLOCK)


def _exactly(tar: BinaryIO, size: int) -> bytes:
    data = tar.read(size)
    if len(data) != size:
        raise MalformedTar("it ends too early")
    return data


def _check_sum(header: bytes) -> None:
    # The sum is taken with its own field as eight spaces.
    if sum(header) - sum(header[148:156]) + 8 * 32 != _number(header[148:156]):
        raise MalformedTar("a header's checksum is wrong")


def _number(field: bytes) -> int:
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise MalformedTar("a header's number is not octal") from None


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _name_of(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500])
    return f"{prefix}/{name}" if prefix else name


def _path_of(records: bytes) -> str | None:
    """The path among extended records: each its own length, a space, a key, "=", a value, a line feed."""
    path = None
    while records:
        length = records.partition(b" ")[0]
        if not length.isdigit() or not len(length) < int(length) <= len(records):
            raise MalformedTar("a header's records cannot be read")
        key, _, value = records[len(length) + 1 : int(length) - 1].partition(b"=")
        if key == b"path":
            path = value.decode("utf-8", "surrogateescape")
        elif key == b"size":
            raise MalformedTar("a file in it is larger than a bundle may be")
        records = records[int(length) :]
    return path
