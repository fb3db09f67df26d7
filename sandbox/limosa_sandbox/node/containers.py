"""Containers: one running instance of a container, its files, and how it ended. Survives restarts of the sandbox.

Files of an instance (``<pod>/<name>.<number>/``): ``started``, ``exit.<pid>``, ``start-error`` and ``log`` as the zygote
writes them, ``termination`` for the termination message, ``oom`` when memory was the reason for its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from limosa_sandbox.node import processes
from limosa_sandbox.node.zygote import boot_id

_POLL = 0.1
_EXIT_FILE_WAIT = 2.0
_LOST_CODE = 137
MESSAGE_BYTES = 4096
_FALLBACK_BYTES = 2048
_FALLBACK_LINES = 80


@dataclass(frozen=True)
class Exit:
    """How an instance ended.

    Attributes:
        code: Exit code, 128 + N after signal N.
        reason: ``Completed``, ``Error``, ``OOMKilled``, ``StartError``, ``ContainerStatusUnknown`` …
        started: Unix time of its start, 0 when it never ran.
        finished: Unix time of its end.
        message: Why, for people, or the container's own termination message.
    """

    code: int
    reason: str
    started: float
    finished: float
    message: str = ""


class Instance:
    """One instance of a container, from its start (or its adoption after a restart) to its end.

    Attributes:
        directory: Its files.
        number: 0 for the first, counting restarts.
        ended: Its exit, once it has ended.
    """

    def __init__(self, directory: Path, number: int) -> None:
        self.directory = directory
        self.number = number
        self.ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._pid = 0
        self._ticks = 0
        self._started = 0.0
        self._same_boot = True
        self._poller: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Process id; 0 before its start."""
        return self._pid

    @property
    def started(self) -> float:
        """Unix time of its start."""
        return self._started

    @property
    def running(self) -> bool:
        """Whether it started and has not ended."""
        return bool(self._pid) and not self.ended.done()

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.directory / "log"

    @property
    def termination(self) -> Path:
        """Where it leaves its termination message."""
        return self.directory / "termination"

    def note_started(self, pid: int) -> None:
        """Take note that it was started just now."""
        self._pid = pid
        self._started = time.time()
        self._ticks = process.ticks if (process := processes.read(pid)) else 0

    def adopt(self) -> bool:
        """Take over what an earlier sandbox started; False when nothing was."""
        if not self._read_record():
            return False
        self.settle()
        return True

    def settle(self) -> None:
        """Look how it ended, or go on looking until it has."""
        if self.ended.done() or self._poller is not None:
            return
        # Of two starts only one counts, and the record tells which.
        self._read_record()
        found = self._read_exit()
        if found is not None:
            self.ended.set_result(found)
        else:
            self._poller = asyncio.ensure_future(self._poll())

    def end_unstarted(self, code: int, reason: str, message: str) -> None:
        """Take note that it could not be started."""
        now = time.time()
        self._started = now
        self.ended.set_result(Exit(code, reason, now, now, message))

    def terminate(self) -> None:
        """Ask it to end (SIGTERM to its first process)."""
        if self.running and self._is_alive():
            processes.send(self._pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill all of its processes."""
        if self.running and self._is_alive():
            processes.kill_family(self._pid)

    def kill_for_memory(self) -> None:
        """Kill all of its processes because they hold more memory than they may."""
        if self.running and self._is_alive():
            (self.directory / "oom").touch()
            processes.kill_family(self._pid)

    def log_size(self) -> int:
        """Return bytes of its log."""
        try:
            return self.log.stat().st_size
        except OSError:
            return 0

    def cut_log(self, keep: int) -> None:
        """Drop all but about the last ``keep`` bytes of its log; what is printed at the same moment may be lost with them."""
        with self.log.open("r+b") as file:
            file.seek(max(0, self.log_size() - keep))
            kept = file.read(keep).partition(b"\n")[2]
            file.seek(0)
            file.truncate()
            file.write(b"[the log grew too long; its older part was dropped]\n" + kept)

    def release(self) -> None:
        """Stop looking; it goes on without this sandbox."""
        if self._poller is not None:
            self._poller.cancel()

    def message(self, code: int, policy: str) -> str:
        """Return its termination message under a ``terminationMessagePolicy``."""
        text = _tail(self.termination, MESSAGE_BYTES)
        if not text and code and policy == "FallbackToLogsOnError":
            lines = _tail(self.log, _FALLBACK_BYTES).splitlines(keepends=True)
            text = "".join(lines[-_FALLBACK_LINES:])
        return text

    def _is_alive(self) -> bool:
        return self._same_boot and processes.is_alive(self._pid, self._ticks)

    async def _poll(self) -> None:
        while self._is_alive():
            await asyncio.sleep(_POLL)
            if (found := self._read_exit()) is not None:
                self.ended.set_result(found)
                return
        # Who waited for the process writes its status a moment after it is gone.
        deadline = time.monotonic() + (_EXIT_FILE_WAIT if self._same_boot else 0.0)
        while (found := self._read_exit()) is None and time.monotonic() < deadline:
            await asyncio.sleep(_POLL / 2)
        lost = Exit(
            _LOST_CODE, "ContainerStatusUnknown", self._started, time.time(),
            "The container could not be located: its process vanished while nobody watched it",
        )  # fmt: skip
        self.ended.set_result(found or lost)

    def _read_record(self) -> bool:
        try:
            record = json.loads((self.directory / "started").read_text(encoding="utf-8"))
        except OSError:
            return False
        self._pid, self._ticks, self._started = record["pid"], record["ticks"], record["started"]
        self._same_boot = record["boot"] == boot_id()
        return True

    def _read_exit(self) -> Exit | None:
        try:
            outcome = json.loads((self.directory / f"exit.{self._pid}").read_text(encoding="utf-8"))
        except OSError:
            return None
        code = outcome["code"]
        reason = "Completed" if code == 0 else "Error"
        message = _tail(self.directory / "start-error", MESSAGE_BYTES)
        if message:
            reason = "StartError"
        elif code and (self.directory / "oom").exists():
            reason = "OOMKilled"
        return Exit(code, reason, self._started, outcome["finished"], message)


def instances(pod: Path, container: str) -> list[int]:
    """Return the numbers of a container's instances, oldest first; ``pod`` is the folder of the pod's files."""
    prefix = f"{container}."
    try:
        names = os.listdir(pod)
    except OSError:
        return []
    return sorted(
        int(name[len(prefix) :])
        for name in names
        if name.startswith(prefix) and name[len(prefix) :].isdigit()
    )


def instance_directory(pod: Path, container: str, number: int) -> Path:
    """Return the folder of one instance's files."""
    # A container's name has no dot, so that this is no other's folder, nor the pod's volumes.
    return pod / f"{container}.{number}"


def _tail(path: Path, size: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read(size).decode("utf-8", "replace")
    except OSError:
        return ""
