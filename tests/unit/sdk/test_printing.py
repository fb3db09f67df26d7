"""What is printed goes where it went, and into the log of the launch."""

import sys

from limosa.local.printing import copied_to, copying


def test_both_streams_are_copied_in_their_order(tmp_path, capsys):
    with copying():
        print("before")
        with copied_to(tmp_path / "logs" / "one"):
            print("out")
            print("err", file=sys.stderr)
            sys.stdout.writelines(["more\n", "lines\n"])
        print("after")
    assert (tmp_path / "logs" / "one").read_text() == "out\nerr\nmore\nlines\n"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("before\nout\nmore\nlines\nafter\n", "err\n")


def test_silence_leaves_no_file(tmp_path):
    with copying(), copied_to(tmp_path / "one"):
        pass
    assert not (tmp_path / "one").exists()


def test_what_a_failure_printed_is_kept(tmp_path):
    try:
        with copying(), copied_to(tmp_path / "one"):
            print("so far")
            raise ValueError
    except ValueError:
        assert (tmp_path / "one").read_text() == "so far\n"


def test_one_stream_in_both_places_is_copied_once(tmp_path, monkeypatch, capsys):
    with copying():
        monkeypatch.setattr(sys, "stdout", sys.stderr)
        with copied_to(tmp_path / "one"):
            print("once")
    monkeypatch.undo()
    assert (tmp_path / "one").read_text() == "once\n"


def test_the_streams_are_put_back():
    before = sys.stdout, sys.stderr
    with copying():
        assert sys.stdout.encoding == before[0].encoding
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before
