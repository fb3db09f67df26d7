"""Packing: same files, same bytes, same digest."""

import dataclasses
import gzip
import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from limosa.bundle.errors import BundleError

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
"""Largest sum of file sizes of a bundle, unless the project's settings say otherwise."""


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A packed bundle on disk.

    Attributes:
        digest: sha256 (hex) of the uncompressed tar.
        path: The gzipped tar; a temporary file that the owner removes with `discard`.
        compressed_size: Bytes of `path`.
        size: Sum of the sizes of the files in it, in bytes.
        files: Paths in it, relative, with "/" between parts, sorted.
    """

    digest: str
    path: Path
    compressed_size: int
    size: int
    files: tuple[str, ...]

    def discard(self) -> None:
        """Removes the file behind the bundle."""
        self.path.unlink(missing_ok=True)


class _DigestingWriter:
    """Hashes what passes through to another file."""

    def __init__(self, sink: gzip.GzipFile) -> None:
        self._sink = sink
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self._sink.write(data)
        return len(data)


def pack(
    root: Path,
    files: Iterable[PurePosixPath],
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    directory: Path | None = None,
) -> Bundle:
    """Packs files into a canonical tar: sorted names, no times, no owners, modes 0644 or 0755.

    Args:
        root: Directory that the files' paths are relative to.
        files: What to pack. A link is packed as the file it leads to.
        max_bytes: Refuse when the files are larger together.
        directory: Where the temporary file goes; the system's place when None.

    Raises:
        BundleError: The files are too large together, or one cannot be read.
    """
    names = sorted({str(file) for file in files})
    sizes = {name: _size_of(root / name) for name in names}
    total = sum(sizes.values())
    if total > max_bytes:
        raise _too_large(root, sizes, total, max_bytes)
    handle, path = tempfile.mkstemp(prefix="limosa-bundle-", suffix=".tar.gz", dir=directory)
    try:
        with os.fdopen(handle, "wb") as raw:
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as zipped:
                writer = _DigestingWriter(zipped)
                _write_tar(writer, root, names, sizes)
            compressed = raw.tell()
    except BaseException:
        os.unlink(path)
        raise
    return Bundle(writer.digest.hexdigest(), Path(path), compressed, total, tuple(names))


def _write_tar(writer: _DigestingWriter, root: Path, names: list[str], sizes: dict[str, int]) -> None:
    with tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = sizes[name]
            try:
                with open(root / name, "rb") as content:
                    status = os.fstat(content.fileno())
                    member.mode = 0o755 if status.st_mode & 0o100 else 0o644
                    tar.addfile(member, content)
            except OSError as error:
                raise BundleError(
                    code=BundleError.UNREADABLE,
                    message=f"cannot read the file while packing it: {error.strerror or error}",
                    place=str(root / name),
                    remedy="make it readable and leave it unchanged during the command, or keep it out of the bundle",
                ) from error


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise BundleError(
            code=BundleError.UNREADABLE,
            message=f"cannot read a file of the bundle: {error.strerror or error}",
            place=str(path),
            remedy="make it readable, or keep it out of the bundle",
        ) from error


def _too_large(root: Path, sizes: dict[str, int], total: int, max_bytes: int) -> BundleError:
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:5]
    listing = "\n".join(f"  {format_size(sizes[name]):>9}  {name}" for name in largest)
    return BundleError(
        code=BundleError.TOO_LARGE,
        message=f"the code bundle has {format_size(total)}; at most {format_size(max_bytes)} are allowed. "
        f"Its largest files:\n{listing}",
        place=str(root),
        remedy="pass data as a File or Directory input, list it in .gitignore, "
        "or raise bundle_max_size in limosa.toml",
    )


def format_size(size: float) -> str:
    """A number of bytes for people ("1.2 MB")."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
