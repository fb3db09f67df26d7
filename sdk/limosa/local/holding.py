"""Which directories a living process works in: it holds a lock on them, which the kernel lets go when it ends."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_SCRATCH = "limosa-local-"
_YOUNG_S = 60
"""So long a scratch directory may be without its lock: it was only just made."""


@contextlib.contextmanager
def holding(directory: Path) -> Iterator[None]:
    """Holds a directory until the end of the block, or of this process, however it ends."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_held(directory: Path) -> bool:
    """Whether a living process holds a directory."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Shared: two readers must not take each other for the process.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """An empty directory that goes at the end; what killed processes left of theirs goes at the beginning."""
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as made, holding(Path(made)):
        yield Path(made)


def _sweep(root: Path) -> None:
    for left in root.glob(f"{_SCRATCH}*"):
        # Another user's, or one that its own process removes at this moment.
        with contextlib.suppress(OSError):
            found = left.lstat()
            mine = found.st_uid == os.getuid() and left.is_dir() and not left.is_symlink()
            if mine and time.time() - found.st_mtime > _YOUNG_S and not is_held(left):
                shutil.rmtree(left, ignore_errors=True)
