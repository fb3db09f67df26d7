import sys
import textwrap

from limosa.errors import LimosaError
from limosa.remote import RemoteError
from limosa.runtime.exceptions import MAX_MESSAGE, exception_details
from limosa.runtime.raised import failure_of


def raised(tmp_path, body, monkeypatch):
    (tmp_path / "flow.py").write_text(textwrap.dedent(body))
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("flow", None)
    try:
        import flow

        flow.run()
    except BaseException as error:
        return exception_details(error, tmp_path)
    finally:
        sys.modules.pop("flow", None)
    raise AssertionError("nothing was raised")


def test_frames_are_relative_and_carry_five_lines(tmp_path, monkeypatch):
    body = """\
    def run():
        rate = 0
        # before
        return 1 / rate
        # after
        # two after
        # three after
    """
    details = raised(tmp_path, body, monkeypatch)
    frame = details.frames[-1]
    assert (details.type, details.message) == ("ZeroDivisionError", "division by zero")
    assert (frame.file, frame.line, frame.function) == ("flow.py", 4, "run")
    assert frame.source_start == 2
    assert list(frame.source) == [
        "    rate = 0",
        "    # before",
        "    return 1 / rate",
        "    # after",
        "    # two after",
    ]
    assert str(tmp_path) not in details.traceback
    assert 'File "flow.py", line 4, in run' in details.traceback


def test_causes_are_kept(tmp_path, monkeypatch):
    body = """\
    def run():
        try:
            {}["key"]
        except KeyError as error:
            raise ValueError("no key") from error
    """
    details = raised(tmp_path, body, monkeypatch)
    assert details.type == "ValueError"
    assert "KeyError: 'key'" in details.traceback
    assert "direct cause" in details.traceback


def test_own_types_are_named_with_their_module(tmp_path, monkeypatch):
    details = raised(tmp_path, "class Bad(Exception): ...\ndef run(): raise Bad('x')\n", monkeypatch)
    assert details.type == "flow.Bad"


def test_a_syntax_error_shows_its_own_line(tmp_path, monkeypatch):
    details = raised(tmp_path, "x = 1\ndef run(:\n", monkeypatch)
    assert details.type == "SyntaxError"
    assert (details.frames[-1].file, details.frames[-1].line) == ("flow.py", 2)


def test_hostile_exceptions_are_still_described(tmp_path, monkeypatch):
    body = """\
    class Bad(Exception):
        def __str__(self):
            raise RuntimeError("no")
    def run():
        raise Bad
    """
    assert raised(tmp_path, body, monkeypatch).message == "<its __str__ raised RuntimeError>"
    long = raised(tmp_path, "def run(): raise ValueError('\\udc80' + 'x' * 100_000)", monkeypatch)
    assert len(long.message) < MAX_MESSAGE + 10
    assert long.message.startswith("\\udc80")


def test_a_mistake_with_ours_has_its_own_code_and_remedy_and_is_not_tried_again(tmp_path):
    told = failure_of(LimosaError("CallNotAwaited", "not awaited", "flow.py:3", "write await"), tmp_path)
    assert (told.code, told.message, told.remedy) == (
        "CallNotAwaited",
        "flow.py:3: not awaited",
        "write await",
    )
    assert not told.retryable
    passing = failure_of(RemoteError("Unreachable", "nobody answers"), tmp_path)
    assert (passing.code, passing.retryable) == ("UserException", True)
