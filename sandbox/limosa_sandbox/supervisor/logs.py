"""Logs of the parts: files that children append to, kept from growing without end."""

import shutil
from collections import deque
from pathlib import Path

MAX_BYTES = 10 << 20


def cap_log(path: Path, max_bytes: int = MAX_BYTES) -> bool:
    """Moves a log that grew too large to `<name>.1` and starts it anew; returns whether it did.

    Children write with O_APPEND, so truncating under them is safe; lines written in between are lost.
    """
    try:
        if path.stat().st_size <= max_bytes:
            return False
    except FileNotFoundError:
        return False
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    with path.open("r+b") as file:
        file.truncate(0)
    return True


def tail(path: Path, lines: int = 15) -> str:
    """Returns the last lines of a log, or "" where there is none."""
    try:
        with path.open(errors="replace") as file:
            return "".join(deque(file, lines)).rstrip()
    except FileNotFoundError:
        return ""
