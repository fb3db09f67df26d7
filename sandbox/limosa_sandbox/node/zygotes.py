"""The sandbox's side of pre-forked interpreters: which there are, and starting processes through them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limosa_model.pod_contract import POD_COMMAND

_SCRIPT = Path(__file__).with_name("zygote.py")
_MARKER = "LIMOSA_SANDBOX_CONTAINER"
_PRELOADED = (
    "limosa_store.s3", "limosa.bundle", "limosa.types", "limosa.tasks", "limosa.workflows", "limosa.map_tasks", "limosa.conditionals",
    "limosa.launch_plans", "limosa.resources", "limosa.secret",
)  # fmt: skip
"""What nearly every launch loads after the runtime itself: its store, its bundle, what authors import from the SDK."""
_LINE_LIMIT = 8 * 1024 * 1024
_STALE_CHECK = 0.5


class InterpreterError(Exception):
    """An interpreter cannot run pods; the text names it, the cause and the remedy."""


class ZygoteGoneError(Exception):
    """A pre-forked interpreter ended before it answered a request."""


@dataclass(frozen=True)
class Start:
    """One process to start.

    Attributes:
        key: Names it towards its zygote.
        directory: Where its record, log and exit status go; exists.
        module: Module to run in a fork, None to execute ``argv``.
        argv: Its command line.
        env: All of its environment.
        cwd: Working directory.
    """

    key: str
    directory: Path
    module: str | None
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str

    def line(self) -> bytes:
        """Return the request as the zygote reads it."""
        request = {
            "start": self.key, "directory": str(self.directory), "module": self.module, "argv": self.argv,
            "env": {**self.env, _MARKER: self.key}, "cwd": self.cwd, "marker": f"{_MARKER}={self.key}",
        }  # fmt: skip
        return json.dumps(request).encode() + b"\n"


class Zygote:
    """One pre-forked interpreter that is ready. Its processes' ends are told to the functions given at their start."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        watch: list[str],
    ) -> None:  # fmt: skip
        self._process = process
        self._reader = reader
        self._writer = writer
        self._watch = watch
        self._fingerprint = _fingerprint(watch)
        self._checked = time.monotonic()
        self._starting: dict[str, asyncio.Future[int | None]] = {}
        self._running: dict[str, Callable[[], None]] = {}
        self._task = asyncio.ensure_future(self._listen())
        self.last_used = time.monotonic()
        self.retired = False

    @property
    def busy(self) -> bool:
        """Whether any of its processes lives or is being started."""
        return bool(self._starting or self._running)

    @property
    def alive(self) -> bool:
        """Whether it takes requests."""
        return not self.retired and not self._task.done()

    def is_stale(self) -> bool:
        """Return whether what it has loaded changed on disk; looked up at most twice a second."""
        now = time.monotonic()
        if now - self._checked >= _STALE_CHECK:
            self._checked = now
            if _fingerprint(self._watch) != self._fingerprint:
                self.retired = True
        return self.retired

    async def start(self, start: Start, ended: Callable[[], None]) -> int | None:
        """Start a process and return its pid, or None when its directory says that it was started before.

        Args:
            start: What to start.
            ended: Called once when the process has ended, or can no longer be watched from here.

        Raises:
            ZygoteGoneError: The zygote ended before it answered; the process may have been started.
        """
        answer: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._starting[start.key] = answer
        self._running[start.key] = ended
        self.last_used = time.monotonic()
        if self._task.done() or self._writer.is_closing():
            answer.set_exception(ZygoteGoneError("the pre-forked interpreter ended"))
        else:
            self._writer.write(start.line())
        try:
            pid = await answer
        except ZygoteGoneError:
            self._starting.pop(start.key, None)
            self._running.pop(start.key, None)
            raise
        if pid is None:
            self._running.pop(start.key, None)
        return pid

    def retire(self) -> None:
        """Take no more requests; the process ends with its last child, and tells of its children until then."""
        self.retired = True
        if not self._writer.is_closing():
            self._writer.write_eof()

    async def _listen(self) -> None:
        while True:
            try:
                line = await self._reader.readline()
            except (OSError, ValueError):
                line = b""
            if not line:
                break
            self._hear(json.loads(line))
        self.retired = True
        for answer in self._starting.values():
            if not answer.done():
                answer.set_exception(ZygoteGoneError("the pre-forked interpreter ended"))
        self._starting.clear()
        for ended in self._running.values():
            ended()
        self._running.clear()
        self._writer.close()

    def _hear(self, message: dict[str, Any]) -> None:
        if "started" in message or "taken" in message:
            answer = self._starting.pop(message.get("started") or message["taken"], None)
            if answer is not None and not answer.done():
                answer.set_result(message.get("pid"))
        elif "exited" in message:
            self.last_used = time.monotonic()
            ended = self._running.pop(message["exited"], None)
            if ended is not None:
                ended()

    def is_gone(self) -> bool:
        """Return whether its process has ended, and collect it."""
        return self._process.poll() is not None

    def abandon(self) -> None:
        """Stop listening; what still runs goes on without this sandbox."""
        self._task.cancel()
        self._writer.close()


class Zygotes:
    """Pre-forked interpreters by path: made when first needed, replaced when stale, ended when idle.

    Args:
        directory: Where their own output goes.
        start_timeout: Seconds within which one must be ready.
        idle_timeout: Seconds after which an unused one ends.
    """

    def __init__(self, directory: Path, start_timeout: float, idle_timeout: float) -> None:
        self._directory = directory
        self._start_timeout = start_timeout
        self._idle_timeout = idle_timeout
        self._ready: dict[tuple[str, bool], Zygote] = {}
        self._locks: dict[tuple[str, bool], asyncio.Lock] = {}
        self._retired: list[Zygote] = []

    async def get(self, interpreter: str, preload: bool) -> Zygote:
        """Return a zygote of an interpreter, fresh if what it had loaded changed.

        Args:
            interpreter: Path of the Python.
            preload: Whether it is to have loaded the runtime; else it only executes programs.

        Raises:
            InterpreterError: It cannot be started or cannot import the runtime.
        """
        key = (interpreter, preload)
        zygote = self._ready.get(key)
        if zygote is not None and zygote.alive and not zygote.is_stale():
            return zygote
        async with self._locks.setdefault(key, asyncio.Lock()):
            zygote = self._ready.get(key)
            if zygote is None or not zygote.alive:
                if zygote is not None:
                    self._retire(key)
                zygote = self._ready[key] = await self._make(interpreter, preload)
            return zygote

    def retire_idle(self) -> None:
        """End zygotes that were not used for long."""
        now = time.monotonic()
        for key, zygote in list(self._ready.items()):
            if not zygote.alive or (not zygote.busy and now - zygote.last_used > self._idle_timeout):
                self._retire(key)
        self._retired = [zygote for zygote in self._retired if not zygote.is_gone()]

    async def close(self, timeout: float) -> None:
        """End all of them; those with children left end with these. Waits at most ``timeout`` seconds."""
        for key in list(self._ready):
            self._retire(key)
        deadline = time.monotonic() + timeout
        while self._retired and time.monotonic() < deadline:
            self.retire_idle()
            await asyncio.sleep(0.01)
        for zygote in self._retired:
            zygote.abandon()

    def _retire(self, key: tuple[str, bool]) -> None:
        zygote = self._ready.pop(key)
        zygote.retire()
        self._retired.append(zygote)

    async def _make(self, interpreter: str, preload: bool) -> Zygote:
        ours, theirs = socket.socketpair()
        try:
            process = self._spawn(interpreter, preload, theirs)
        except OSError as error:
            ours.close()
            raise InterpreterError(f"{interpreter} cannot be started: {error.strerror}") from None
        finally:
            theirs.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=_LINE_LIMIT)
        try:
            line = await asyncio.wait_for(reader.readline(), self._start_timeout)
        except asyncio.TimeoutError:
            line = b""
        no_answer = {"error": "it ended or did not answer in time"}
        hello: dict[str, Any] = json.loads(line)["hello"] if line else no_answer
        if hello["error"]:
            writer.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            if process.poll() is None:
                process.kill()
                process.wait()
            raise InterpreterError(_cannot_import(interpreter, hello["error"]))
        return Zygote(process, reader, writer, hello["watch"])

    def _spawn(self, interpreter: str, preload: bool, connection: socket.socket) -> subprocess.Popen[bytes]:
        self._directory.mkdir(parents=True, exist_ok=True)
        command = [interpreter, str(_SCRIPT), str(connection.fileno())]
        if preload:
            command += [POD_COMMAND[2], *_PRELOADED]
        with open(self._directory / "zygotes.log", "ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=_own_environment(interpreter),
                pass_fds=[connection.fileno()], start_new_session=True,
            )  # fmt: skip


def plain_interpreter() -> str:
    """Return the interpreter for zygotes that only execute programs."""
    return sys.executable


def _cannot_import(interpreter: str, error: str) -> str:
    return (
        f"{interpreter} cannot import {POD_COMMAND[2]} ({error}). Pods run in the environment that submitted them: install limosa "
        "there (pip install limosa) and launch the run anew"
    )


def _own_environment(interpreter: str) -> dict[str, str]:
    # HOME decides where the interpreter looks for packages of the user; the pod's own HOME is set after the fork.
    return {
        "PATH": f"{os.path.dirname(interpreter)}:{os.defpath}",
        "HOME": pwd.getpwuid(os.getuid()).pw_dir,
        "LANG": "C.UTF-8",
    }


def _fingerprint(paths: list[str]) -> tuple[int, ...]:
    return tuple(_changed(path) for path in paths)


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
