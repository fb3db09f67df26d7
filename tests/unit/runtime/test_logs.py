import subprocess
import sys
import textwrap

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


PROGRAM = """
import os, subprocess, sys
from limosa.runtime.logs import LogCopy
segments = {}
copy = LogCopy(segments.__setitem__)
print("from python")
os.write(2, b"from the descriptor\\n")
subprocess.run(["sh", "-c", "echo from a child"], check=True)
sys.stdout.write("no newline at the end")
copy.close()
print("|after|", repr(b"".join(segments[k] for k in sorted(segments))))
"""


def test_what_python_descriptors_and_children_print_is_copied_and_still_printed():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    printed, _, segments = done.stdout.partition("|after|")
    for text in ("from python", "from the descriptor", "from a child", "no newline at the end"):
        assert text in printed
        assert text in segments


def test_a_store_that_fails_loses_the_copy_not_the_launch():
    program = textwrap.dedent("""
        from limosa.runtime.logs import LogCopy
        def fail(number, data): raise OSError("disk full")
        copy = LogCopy(fail)
        print("still here")
        copy.close()
        print(copy.lost)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["still here", "OSError: disk full"]


def test_a_child_that_outlives_the_task_does_not_hold_the_log_open():
    program = textwrap.dedent("""
        import os, subprocess
        from limosa.runtime.logs import LogCopy
        copy = LogCopy(lambda number, data: None)
        child = subprocess.Popen(["sleep", "60"])
        copy.close()
        child.kill()
        child.wait()
    """)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30, stdin=subprocess.DEVNULL)
