import datetime as dt

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from limosa.render.tree import clock
from limosa_model.moments import moment_of


def test_a_moment_is_the_timestamp_in_utc() -> None:
    stamp = Timestamp(seconds=1_700_000_000, nanos=250_000_000)
    assert moment_of(stamp) == dt.datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=dt.timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "year"), [(253_402_300_800, 9999), (2**62, 9999), (-(2**62), 1), (-62_135_596_800, 1)]
)
def test_what_no_calendar_has_can_be_shown_in_every_time_zone(seconds: int, year: int) -> None:
    stamp = Timestamp(seconds=seconds)
    found = moment_of(stamp)
    assert found.year == year
    for hours in (-14, 14):
        assert found.astimezone(dt.timezone(dt.timedelta(hours=hours))).year == year
    assert clock(stamp).endswith("UTC")
