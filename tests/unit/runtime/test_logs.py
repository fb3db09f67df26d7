import pytest

from limosa.runtime import logs
from limosa.runtime.logs import Segments


class Written(dict):
    def __call__(self, number, data):
        self[number] = data

    @property
    def text(self):
        return b"".join(self[number] for number in sorted(self))


def test_a_segment_is_written_when_it_is_old_enough():
    written = Written()
    segments = Segments(written)
    segments.add(b"one\n", now=10.0)
    segments.flush_due(10.5)
    assert not written
    assert segments.wait_s(10.5) == pytest.approx(0.5)
    segments.flush_due(11.0)
    assert written == {0: b"one\n"}
    assert segments.wait_s(11.0) is None


def test_a_full_segment_is_written_at_once():
    written = Written()
    Segments(written).add(b"x" * logs.SEGMENT_BYTES, now=0.0)
    assert list(written) == [0]


def test_nothing_printed_writes_nothing():
    written = Written()
    Segments(written).close()
    assert not written


def test_long_logs_keep_head_and_tail_and_say_what_is_missing(monkeypatch):
    monkeypatch.setattr(logs, "HEAD_BYTES", 1000)
    monkeypatch.setattr(logs, "TAIL_BYTES", 500)
    written = Written()
    segments = Segments(written)
    lines = [f"{number:09d}\n".encode() for number in range(1000)]
    for line in lines:
        segments.add(line, now=0.0)
    segments.close()
    head, note, tail = written.text.partition(b"\n\xe2\x80\xa6 8500 bytes left out \xe2\x80\xa6\n")
    assert note
    assert head == b"".join(lines[:100])
    assert tail == b"".join(lines[-50:])
