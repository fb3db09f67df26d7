"""Durations as kubectl prints ages: short, one or two units."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_STAMP = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$")


def parse_timestamp(text: str) -> datetime | None:
    """Return the moment of an RFC 3339 text, None when it is not one."""
    match = _STAMP.match(text)
    if match is None:
        return None
    zone = "+00:00" if match[3] == "Z" else match[3]
    try:
        fraction = (match[2] or ".")[:7].ljust(7, "0")
        return datetime.fromisoformat(match[1] + fraction + zone)
    except ValueError:
        return None


def age(text: object, now: datetime) -> str:
    """Return how long ago a timestamp was, ``<unknown>`` without one, ``<invalid>`` for a future one."""
    moment = parse_timestamp(text) if isinstance(text, str) else None
    if moment is None:
        return "<unknown>"
    return short((now - moment.astimezone(timezone.utc)).total_seconds())


def short(seconds: float) -> str:
    """Return a number of seconds such as ``45s``, ``4m10s``, ``3h20m`` or ``12d``."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _pair(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _pair(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _pair(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
