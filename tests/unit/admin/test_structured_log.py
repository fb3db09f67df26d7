import json
import logging

from limosa_admin.structured_log import JsonFormatter, request_id


def line(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord(
        {"name": "a", "levelno": 20, "levelname": "INFO", "msg": "x %s", "args": (1,), **extra}
    )
    return json.loads(JsonFormatter().format(record))


def test_a_record_is_one_json_line() -> None:
    written = line(method="GetRun", text="two\nlines")
    assert (written["level"], written["message"], written["method"]) == ("info", "x 1", "GetRun")
    assert written["text"] == "two\nlines"
    assert "request_id" not in written


def test_the_request_is_named() -> None:
    token = request_id.set("abc")
    assert line()["request_id"] == "abc"
    request_id.reset(token)


def test_a_traceback_is_part_of_the_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        written = line(exc_info=(type(error), error, error.__traceback__))
    assert "ValueError: broken" in str(written["traceback"])
