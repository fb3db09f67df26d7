"""One part of the platform as a child process: started, restarted when it dies, stopped in order."""

import asyncio
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from limosa_sandbox.postgres.identity import OURSELVES, Identity
from limosa_sandbox.supervisor.logs import tail
from limosa_sandbox.supervisor.processes import started_at
from limosa_sandbox.supervisor.state import PartState

_LOG = logging.getLogger(__name__)
_POLL_S = 0.1
_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
HEALTHY_AFTER_S = 10.0
"""A part that lived so long came up, which takes it a few seconds: whatever ended it then, it is worth starting again at once."""


class Pauses:
    """How long to wait before each new start of a part: longer each time it ends while it comes up."""

    def __init__(self) -> None:
        self._failures = 0

    def after(self, lived_s: float) -> float:
        """Seconds to wait after a life of so many seconds."""
        self._failures = 0 if lived_s >= HEALTHY_AFTER_S else self._failures
        pause = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
        self._failures += 1
        return pause


class PartFailed(RuntimeError):
    """A part ended while it was starting; the message holds the end of its log."""


@dataclass(frozen=True)
class ChildSpec:
    """How a part is run.

    Attributes:
        name: of the part.
        command: program and arguments.
        environment: all of it.
        log: file its output is appended to.
        stop_signal: asks it to end.
        stop_timeout_s: seconds until it is killed instead.
        death_signal: it gets when this process ends without stopping it (Linux).
        identity: whom it runs as.
        before_start: blocks shortly; called before each start, the first included.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 8.0
    death_signal: signal.Signals = signal.SIGKILL
    identity: Identity = OURSELVES
    before_start: Callable[[], None] = lambda: None


class Child:
    """Runs one part. All methods belong to the event loop's thread, which must be the main one.

    The kernel's parent-death signal is tied to the thread that forks, so starting from a worker thread
    would end the child with that thread.
    """

    def __init__(self, spec: ChildSpec, state: PartState, on_change: Callable[[], None]) -> None:
        self.spec = spec
        self._state = state
        self._on_change = on_change
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: asyncio.Task[None] | None = None
        state.log = str(spec.log)

    def start(self) -> None:
        """Starts the process once; `keep` watches it from then on."""
        self.spec.before_start()
        with self.spec.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.spec.command,
                env=dict(self.spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.spec.log.parent,
                preexec_fn=self.spec.identity.prepare(self.spec.death_signal),
                start_new_session=True,
            )
        self._state.pid = self._process.pid
        self._state.started = started_at(self._process.pid)
        self._on_change()

    def is_alive(self) -> bool:
        """Says whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def failure(self) -> PartFailed:
        """Returns the error of a part that did not come up."""
        how = "did not become ready in time" if self.is_alive() else self._ended()
        said = tail(self.spec.log)
        return PartFailed(f"{self.spec.name} {how}; the end of {self.spec.log}:\n{said}")

    def keep(self) -> None:
        """Marks the part as running and restarts it from now on when it ends."""
        self._set("running")
        self._keeper = asyncio.ensure_future(self._keep())

    async def _keep(self) -> None:
        pauses = Pauses()
        while True:
            began = time.monotonic()
            while self.is_alive():
                await asyncio.sleep(_POLL_S)
            wait = pauses.after(time.monotonic() - began)
            _LOG.warning("%s %s; starting it again in %g s", self.spec.name, self._ended(), wait)
            self._state.restarts += 1
            self._set("restarting")
            await asyncio.sleep(wait)
            try:
                self.start()
            except OSError as error:
                _LOG.error("%s could not be started: %s", self.spec.name, error)
                continue
            self._set("running")

    def _ended(self) -> str:
        code = self._process.poll() if self._process else None
        return "does not run" if code is None else f"ended with {describe_exit(code)}"

    async def stop(self) -> None:
        """Asks the process to end, kills it when it does not, and waits until it is gone."""
        if self._keeper:
            self._keeper.cancel()
        process = self._process
        if process is None:
            return
        began = time.monotonic()
        limit = began + self.spec.stop_timeout_s
        if process.poll() is None:
            process.send_signal(self.spec.stop_signal)
        while process.poll() is None:
            if time.monotonic() > limit:
                _LOG.warning(
                    "%s did not end within %g s; killing it", self.spec.name, self.spec.stop_timeout_s
                )
                process.kill()
                process.wait()
            await asyncio.sleep(0.02)
        _LOG.info("%s stopped after %.1f s", self.spec.name, time.monotonic() - began)
        # What the part started itself and left behind is in its session.
        kill_group(process.pid)
        self._state.pid, self._state.started = 0, 0.0
        self._set("stopped")

    def _set(self, state: str) -> None:
        self._state.state = state
        self._on_change()


def describe_exit(code: int) -> str:
    """Returns an exit status in words."""
    if code < 0:
        try:
            return f"signal {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"


def kill_group(pid: int) -> None:
    """Kills what is left of the process group that a child led."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
