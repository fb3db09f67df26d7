"""Moments as people are shown them."""

import datetime as dt

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_FIRST = dt.datetime(1, 1, 2, tzinfo=dt.timezone.utc)
_LAST = dt.datetime(9999, 12, 30, tzinfo=dt.timezone.utc)


def moment_of(stamp: Timestamp) -> dt.datetime:
    """A timestamp in UTC; one that no calendar has is its first or last day: a screen is no place to fail at."""
    try:
        found = _EPOCH + dt.timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    except OverflowError:
        found = _LAST if stamp.seconds > 0 else _FIRST
    return min(max(found, _FIRST), _LAST)
