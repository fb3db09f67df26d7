"""Unpacking a lock's wheels into one folder, once for all who share the folder above it."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO

from limosa.errors import LimosaError
from limosa.packages.lock import PackageLock, Wheel

UNUSABLE = "PackagesUnusable"
"""Code of every error here."""
_CHUNK = 1 << 20
_MERGED = {"purelib": "", "platlib": "", "data": "", "scripts": "bin/", "headers": "include/"}
"""Where the parts of a wheel's .data folder go, below the folder of all packages."""
_REGISTER_AGAIN = "register the workflow again: missing packages are then uploaded"


def unpack_once(
    directory: str, digest: str, read_lock: Callable[[], bytes], open_wheel: Callable[[str], BinaryIO]
) -> str:
    """Unpacks a lock's wheels unless that was done before; gives their folder.

    One at a time unpacks and the others wait for it, wherever they run, as long as they share the directory. The folder
    appears at once, by a rename, when all of it was checked.

    Args:
        directory: Holds the folders of all locks.
        digest: sha256 (hex) of the lock's text.
        read_lock: Gives the text.
        open_wheel: Gives the bytes of the wheel with a sha256.

    Raises:
        LimosaError: The lock is for another machine or Python, or stored bytes are not those it names.
    """
    folder = os.path.join(directory, digest)
    if os.path.isdir(folder):
        return folder
    os.makedirs(directory, exist_ok=True)
    with _alone(f"{folder}.lock"):
        if os.path.isdir(folder):
            return folder
        staging = f"{folder}.part"
        # Of one who was killed here.
        shutil.rmtree(staging, ignore_errors=True)
        os.mkdir(staging)
        try:
            for wheel in _checked(read_lock(), digest).wheels:
                with (
                    open(os.path.join(staging, ".wheel"), "w+b") as spool,
                    open_wheel(wheel.sha256) as source,
                ):
                    os.unlink(spool.name)
                    _receive(source, spool, wheel)
                    _extract(spool, wheel, staging)
            os.rename(staging, folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    return folder


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    """Holds a file's lock; the kernel lets go of it when a process ends, however it ends."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _checked(text: bytes, digest: str) -> PackageLock:
    found = hashlib.sha256(text).hexdigest()
    if found != digest:
        raise LimosaError(
            UNUSABLE, f"the stored lock of packages has the digest {found}", digest, _REGISTER_AGAIN
        )
    try:
        lock = PackageLock.parse(text)
    except ValueError as error:
        remedy = "use one version of limosa here and where the workflow is registered"
        raise LimosaError(
            UNUSABLE, f"the lock of packages cannot be read: {error}", digest, remedy
        ) from error
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if lock.python != here:
        remedy = f'declare Packages(…, python="{here}"), or give the task an image with Python {lock.python}'
        raise LimosaError(UNUSABLE, f"the packages are for Python {lock.python}, this is {here}", "", remedy)
    if not _fits(lock.platform):
        machine = f"{os.uname().sysname} on {os.uname().machine}"
        remedy = 'declare Packages(…, platform="aarch64-manylinux_2_28") or what this machine is'
        raise LimosaError(UNUSABLE, f"the packages are for {lock.platform}, this is {machine}", "", remedy)
    return lock


def _fits(platform: str) -> bool:
    """Whether a platform, as uv names it, may be this machine's."""
    system, machine = os.uname().sysname, os.uname().machine
    arch, _, rest = platform.partition("-")
    known = {"x86_64": ("x86_64", "amd64"), "aarch64": ("aarch64", "arm64")}
    linux = "linux" in rest or rest.startswith("musl")
    return machine in known.get(arch, (arch,)) and linux == (system == "Linux")


def _receive(source: BinaryIO, spool: IO[bytes], wheel: Wheel) -> None:
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        spool.write(chunk)
    if digest.hexdigest() != wheel.sha256:
        told = f"the stored {wheel.file} has the digest {digest.hexdigest()}, its lock says {wheel.sha256}"
        raise LimosaError(UNUSABLE, told, "", _REGISTER_AGAIN)


def _extract(spool: IO[bytes], wheel: Wheel, target: str) -> None:
    try:
        with zipfile.ZipFile(spool) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    _write(archive, member, os.path.join(target, _place(member.filename, wheel)))
    except zipfile.BadZipFile as error:
        remedy = "declare another version of it"
        raise LimosaError(UNUSABLE, f"{wheel.file} is no wheel: {error}", "", remedy) from error


def _place(name: str, wheel: Wheel) -> str:
    """Where a member goes, relative to the folder of all packages."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        remedy = "declare another version of it, and tell its maintainers"
        raise LimosaError(
            UNUSABLE, f"{wheel.file} has the member {name!r}, which leads out of it", "", remedy
        )
    if len(parts) > 2 and parts[0].endswith(".data") and parts[1] in _MERGED:
        return _MERGED[parts[1]] + "/".join(parts[2:])
    return name


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    executable = (member.external_attr >> 16) & 0o111
    with archive.open(member) as source, open(path, "wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    if executable:
        os.chmod(path, 0o755)
