"""The operator's own log: one JSON object a line, or text for people, on stderr."""

import datetime
import json
import logging
import sys

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "settings",
    "k8s_ref",
    "k8s_skip",
}


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, and every extra field a caller gave (run, node, pod …)."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        entry: dict[str, object] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class TextFormatter(logging.Formatter):
    """The same for a terminal: extras after the message, tracebacks below."""

    def format(self, record: logging.LogRecord) -> str:
        """One line and, where there is one, a traceback."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        extras = " ".join(f"{k}={v}" for k, v in vars(record).items() if k not in _STANDARD)
        line = f"{moment:%H:%M:%S.%f} {record.levelname:7} {record.name}: {record.getMessage()} {extras}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure_logging(level: str, style: str) -> None:
    """Sends all logging of the process to stderr. `style` is "json" or "text"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # kopf tells every event at DEBUG and the handlers' success at INFO: for thousands of pods that is noise.
    logging.getLogger("kopf").setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)
