"""Running the script of a ShellTask: inputs as variables, outputs from files."""

import codecs
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, get_origin

from limosa.context import current_context
from limosa.errors import ScriptFailed
from limosa.shell_tasks import INPUT_VARIABLE, OUTPUT_VARIABLE
from limosa.types.directory import Directory
from limosa.types.file import File

_LAST_LINES = 20
_END_SECONDS = 10.0
_LINE_BYTES = 64 * 1024
"""Longer lines are passed on in parts."""
_EXAMPLES = {int: "a whole number", float: "a number", bool: "true or false"}


def run_script(
    command: Sequence[str], arguments: Mapping[str, Any], outputs: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """Runs a command in an empty directory and gives its outputs.

    Args:
        command: The shell with its script.
        arguments: Inputs by name.
        outputs: Types of the outputs by name.
        name: Of the task, for messages.

    Raises:
        ScriptFailed: It ended with another status than 0, or an output is missing or no value of its type.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=current_context().working_directory))
    work, results = folder / "work", folder / "outputs"
    work.mkdir()
    results.mkdir()
    environ = {
        **os.environ,
        **{INPUT_VARIABLE + key: text_of(value) for key, value in arguments.items()},
        **{OUTPUT_VARIABLE + key: str(results / key) for key in outputs},
    }
    _run(command, work, environ, name)
    return {key: _output(results / key, kind, f"{name}: output '{key}'") for key, kind in outputs.items()}


def text_of(value: Any) -> str:
    """An input as a script sees it."""
    if isinstance(value, (File, Directory)):
        return str(value.path)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=text_of, ensure_ascii=False)
    return str(value)


def _run(command: Sequence[str], work: Path, environ: Mapping[str, str], name: str) -> None:
    # Where Python's own output is copied or sent elsewhere, as for the log of a local run, the script's goes there too.
    output = None if sys.stdout is sys.__stdout__ else subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, cwd=work, env=environ, stdout=output, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise ScriptFailed(
            f"{name}: {command[0]} cannot be started: {error.strerror}; the image has to have it"
        ) from error
    last: deque[str] = deque(maxlen=_LAST_LINES)
    assert process.stderr is not None
    try:
        with _passed_on(process.stdout, sys.stdout):
            for line in process.stderr:
                text = line.decode("utf-8", "replace")
                sys.stderr.write(text)
                last.append(text)
            status = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        process.stderr.close()
    if status:
        how = f"exit status {status}" if status > 0 else f"signal {-status}"
        told = "".join(last).rstrip()
        raise ScriptFailed(f"{name}: the script ended with {how}" + (f":\n{told}" if told else ""))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Python was told to stop: so is the script, before the pod goes."""
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


@contextlib.contextmanager
def _passed_on(source: "IO[bytes] | None", target: "IO[str]") -> Iterator[None]:
    """Writes a pipe's text to a stream meanwhile, to its end unless there is an exception."""
    if source is None:
        yield
        return

    def copy(source: "IO[bytes]") -> None:
        # By lines, so that none is torn by one of standard error.
        for line in codecs.iterdecode(iter(lambda: source.readline(_LINE_BYTES), b""), "utf-8", "replace"):
            target.write(line)

    thread = threading.Thread(target=copy, args=(source,), daemon=True)
    thread.start()
    yield
    thread.join()
    source.close()


def _output(path: Path, kind: Any, what: str) -> Any:
    origin = get_origin(kind) or kind
    place = f"{{{{ .outputs.{path.name} }}}}"
    make, write = f"make it: mkdir {place}", f"write it: … > {place}"
    is_directory = issubclass(origin, Directory)
    if not path.exists():
        message = f"{what} is missing: the script wrote nothing to {place}"
        raise ScriptFailed(message, make if is_directory else write)
    if is_directory:
        if not path.is_dir():
            raise ScriptFailed(f"{what} is a file; a directory is expected", make)
        return Directory(path)
    if path.is_dir():
        raise ScriptFailed(f"{what} is a directory; a file is expected", write)
    return (
        File(path) if issubclass(origin, File) else _value(path.read_text().removesuffix("\n"), origin, what)
    )


def _value(text: str, kind: type, what: str) -> Any:
    if kind is str:
        return text
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.strip().lower()]
        return kind(text.strip())
    except (ValueError, KeyError):
        remedy = f"write nothing else there than {_EXAMPLES[kind]}"
        raise ScriptFailed(f"{what} is {text[:80]!r}, which is no {kind.__name__}", remedy) from None
