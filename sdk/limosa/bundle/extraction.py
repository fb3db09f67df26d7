"""Unpacking: nothing becomes visible before all of it was checked."""

import hashlib
import os
import zlib
from pathlib import Path
from typing import IO, BinaryIO

from limosa.bundle.errors import BundleError
from limosa.bundle.members import MalformedTar, Member, read_members

MAX_FILES = 50_000
"""Most members of a bundle."""
MAX_BYTES = 1024 * 1024 * 1024
"""Most bytes of an uncompressed bundle."""

_CHUNK = 1 << 16
_GZIP = 31


def unpack(
    stream: IO[bytes],
    digest: str,
    destination: Path,
    *,
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
) -> list[str]:
    """Unpacks a gzipped bundle into a directory that is absent or empty.

    The uncompressed tar is spooled and its digest compared first; then every member is checked; then they are
    written beside the destination, which appears at once by a rename.

    Args:
        stream: The gzipped tar, read to its end, never whole in memory.
        digest: sha256 (hex) that the uncompressed tar must have.
        destination: Directory to create.
        max_files: Refuse more members.
        max_bytes: Refuse more uncompressed bytes.

    Returns:
        Paths of the files written, relative to the destination.

    Raises:
        BundleError: CORRUPT when the bytes are not those that the digest names, HOSTILE when a member would leave
            the destination or is no plain file, TOO_LARGE beyond the caps.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    staging = destination.parent / f".unpack-{os.urandom(8).hex()}"
    with open(f"{staging}.tar", "x+b") as spool:
        os.unlink(spool.name)
        found = _inflate(stream, spool, max_bytes)
        if found != digest:
            raise _corrupt(f"its digest is {found}, expected {digest}")
        spool.seek(0)
        staging.mkdir(mode=0o755)
        try:
            names = _extract(spool, str(staging), max_files)
            os.rename(staging, destination)
        except BaseException:
            _remove(staging)
            raise
    return names


def _inflate(stream: IO[bytes], sink: IO[bytes], max_bytes: int) -> str:
    inflater = zlib.decompressobj(wbits=_GZIP)
    digest = hashlib.sha256()
    total = 0
    pending = b""
    while not inflater.eof:
        pending = pending or stream.read(_CHUNK)
        if not pending:
            raise _corrupt("it ends too early")
        try:
            data = inflater.decompress(pending, _CHUNK)
        except zlib.error as error:
            raise _corrupt(f"it is not gzip data ({error})") from error
        pending = inflater.unconsumed_tail
        total += len(data)
        if total > max_bytes:
            raise BundleError(
                code=BundleError.TOO_LARGE,
                message=f"the bundle unpacks to more than {max_bytes} bytes",
                place="code bundle",
                remedy="keep data out of the bundle: pass it as a File or Directory input",
            )
        digest.update(data)
        sink.write(data)
    if inflater.unused_data or stream.read(1):
        raise _corrupt("something follows its end")
    return digest.hexdigest()


def _extract(tar: BinaryIO, target: str, max_files: int) -> list[str]:
    names: list[str] = []
    seen: set[str] = set()
    folders = {""}
    try:
        for member in read_members(tar):
            _check_member(member, seen)
            if len(seen) > max_files:
                raise BundleError(
                    code=BundleError.TOO_LARGE,
                    message=f"the bundle has more than {max_files} files",
                    place="code bundle",
                    remedy="keep data out of the bundle: pass it as a File or Directory input",
                )
            folder = member.name if member.is_directory else member.name.rpartition("/")[0]
            if folder not in folders:
                os.makedirs(f"{target}/{folder}", exist_ok=True)
                folders.add(folder)
            if member.is_file:
                _write(tar, member, f"{target}/{member.name}")
                names.append(member.name)
    except (MalformedTar, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise _corrupt(f"its tar is malformed ({error})") from error
    return names


def _write(tar: BinaryIO, member: Member, path: str) -> None:
    mode = 0o755 if member.executable else 0o644
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        left = member.size
        while left:
            data = tar.read(min(left, _CHUNK))
            if not data:
                raise MalformedTar("it ends too early")
            left -= len(data)
            _write_all(file, data)
        os.fchmod(file, mode)
    finally:
        os.close(file)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _check_member(member: Member, seen: set[str]) -> None:
    name = member.name
    parts = name.split("/")
    if not (member.is_file or member.is_directory):
        raise _hostile(name, "is a link or a special file")
    if name.startswith("/") or "\\" in name or "\0" in name or (len(name) > 1 and name[1] == ":"):
        raise _hostile(name, "has an absolute path")
    if ".." in parts or "" in parts or "." in parts:
        raise _hostile(name, "has a path that is not plain")
    if name in seen:
        raise _hostile(name, "occurs twice")
    seen.add(name)


def _remove(folder: Path) -> None:
    import shutil  # only a bundle that fails needs it, and it costs more than unpacking one

    shutil.rmtree(folder, ignore_errors=True)


def _hostile(name: str, why: str) -> BundleError:
    return BundleError(
        code=BundleError.HOSTILE,
        message=f"the bundle's member {name!r} {why}; nothing was unpacked",
        place="code bundle",
        remedy="register the code again with `limosa register`",
    )


def _corrupt(why: str) -> BundleError:
    return BundleError(
        code=BundleError.CORRUPT,
        message=f"the stored code bundle is damaged: {why}",
        place="code bundle",
        remedy="register the code again with `limosa register`",
    )
