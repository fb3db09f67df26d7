import os
import threading
import time

import pytest

from limosa.runtime.pump import Pump


class Stored(dict):
    """Segments as a store takes them; one that is held takes none before it is released."""

    def __init__(self, held=False):
        self.released = threading.Event()
        if not held:
            self.released.set()

    def __call__(self, number, data):
        self.released.wait()
        self[number] = data

    @property
    def text(self):
        return b"".join(self[number] for number in sorted(self))


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        os.close(descriptor)


@pytest.fixture
def sink(tmp_path):
    descriptor = os.open(tmp_path / "sink", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def printed(sink):
    return os.pread(sink, 1 << 24, 0)


def test_bytes_and_lines_of_its_own_go_both_ways_in_order(pipe, sink):
    stored = Stored()
    pump = Pump(pipe[0], sink, stored)
    os.write(pipe[1], b"one\n")
    pump.drain()
    pump.say("two \udcff")
    assert pump.close() == ""
    assert printed(sink) == stored.text == b"one\ntwo \\udcff\n"


def test_nothing_printed_stores_nothing_and_starts_nothing(pipe, sink):
    threads = threading.active_count()
    stored = Stored()
    pump = Pump(pipe[0], sink, stored)
    assert pump.take() == 0
    assert pump.wait_s() is None
    assert threading.active_count() == threads
    assert pump.close() == ""
    assert not stored


def test_a_store_that_does_not_answer_holds_up_nothing_that_is_printed(pipe, sink):
    stored = Stored(held=True)
    pump = Pump(pipe[0], sink, stored)
    line = b"x" * 59_999 + b"\n"
    for _ in range(40):
        os.write(pipe[1], line)
        pump.take()
    assert printed(sink) == line * 40
    assert not stored
    stored.released.set()
    assert pump.close() == ""
    assert stored.text == line * 40


def test_a_log_that_is_closed_by_everybody_is_at_its_end(sink):
    reader, writer = os.pipe()
    pump = Pump(reader, sink, Stored())
    assert pump.open
    os.close(writer)
    pump.take()
    assert not pump.open
    os.close(reader)


def test_at_the_end_an_outage_is_waited_for_once(pipe, sink):
    tried = []

    def fail(number, data):
        tried.append(number)
        while not pump._backlog._closing:
            time.sleep(0.001)
        raise OSError("unreachable")

    pump = Pump(pipe[0], sink, fail)
    for _ in range(25):
        os.write(pipe[1], b"y" * 60_000)
        pump.take()
    assert pump.close() == "OSError: unreachable"
    assert tried == [0]


def test_an_outage_that_is_over_loses_only_its_own_segments(pipe, sink):
    stored, failed, recovered = Stored(), threading.Event(), threading.Event()

    def write(number, data):
        if number == 0:
            failed.set()
            raise OSError("unreachable")
        stored(number, data)
        recovered.set()

    pump = Pump(pipe[0], sink, write)
    for event in (failed, recovered):
        for _ in range(5):
            os.write(pipe[1], b"z" * 60_000)
            pump.take()
        assert event.wait(30)
    pump.say("last")
    assert pump.close() == "OSError: unreachable"
    assert stored.text.endswith(b"zlast\n")


def test_a_log_of_the_pod_that_is_gone_is_told(pipe, sink):
    reader, writer = os.pipe()
    os.close(reader)
    stored = Stored()
    pump = Pump(pipe[0], writer, stored)
    pump.say("into the void")
    assert pump.close().startswith("the pod's own log: ")
    assert stored.text == b"into the void\n"
    os.close(writer)
