"""Lists for people: columns on standard output, plain enough for grep and awk."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from limosa.cli.console import write_result


def write_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Aligned columns under upper-case heads; nothing is cut."""
    lines = [[column.upper() for column in columns]]
    lines += [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        padded = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        write_result("  ".join(padded).rstrip() + "\n")


def age(stamp: Timestamp, now: dt.datetime) -> str:
    """How long ago, in one or two units as kubectl says it; empty where it is not set."""
    if not stamp.seconds:
        return ""
    seconds = max(int(now.timestamp()) - stamp.seconds, 0)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days}d{hours}h" if days < 8 else f"{days}d"
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{left}s" if minutes else f"{left}s"


def moment(stamp: Timestamp) -> str | None:
    """ISO 8601 in UTC for scripts; None where it is not set."""
    return stamp.ToJsonString() if stamp.seconds else None


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())
