"""The parent of pods: a small process, run by path under a pod's interpreter, that forks one process per container.

It imports what every launch needs once, has no threads, and speaks lines of JSON over the socket whose descriptor it is given.
Standard library only: it runs in the environment of whoever submitted the pod. It outlives a killed sandbox: every exit status
goes to a file before it is told, and the process ends when its sandbox is gone and its last child has ended.

Requests: ``{"start": KEY, "directory": D, "module": M | null, "argv": [...], "env": {...}, "cwd": D, "marker": TEXT}``.
Answers: ``{"hello": {...}}`` once, then ``{"started": KEY, "pid": N}``, ``{"taken": KEY}`` when the directory holds a start already,
``{"exited": KEY, "code": N, "finished": SECONDS}``; a death by signal N has code 128 + N.

Files in a container's directory: ``started`` (who runs it; made before the container's first instruction, and only once),
``exit.<pid>``, ``log``, ``start-error`` (why the program could not be executed).
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

START_FAILED = 128
"""Exit code of a container whose program could not be executed."""

_SUBREAPER = 36
_EXEC_ONLY = ("PYTHON", "LD_", "MALLOC_", "GLIBC_")
_HARMLESS = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED")
_CHUNK = 1 << 16


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 where that is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


def boot_id() -> str:
    """Return what distinguishes this boot of the machine from others."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def preload(module: str) -> str | None:
    """Import a module, and a package's parts except ``__main__``; returns why the module itself cannot be imported."""
    try:
        package = importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever a broken environment raises is told to the pod's owner
        return f"{type(error).__name__}: {error}"
    for found in pkgutil.iter_modules(getattr(package, "__path__", [])):
        if found.name != "__main__":
            try:
                importlib.import_module(f"{module}.{found.name}")
            except Exception:  # noqa: BLE001 - the launch that needs this part meets the same error and reports it
                traceback.print_exc()
    return None


def single_threaded() -> bool:
    """Return whether forking is safe: neither Python nor a library started a thread."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return threading.active_count() == 1


def watched_paths() -> list[str]:
    """Return the paths whose change makes this process stale: import folders and what was loaded from them."""
    library = os.path.dirname(os.__file__)
    paths = {path for path in sys.path if os.path.isdir(path)}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and (not file.startswith(library) or "site-packages" in file):
            paths.update((file, os.path.dirname(file)))
    return sorted(paths)


class Zygote:
    """Serves start requests until its sandbox is gone and its children have ended."""

    def __init__(self, connection: socket.socket, can_fork: bool) -> None:
        self._connection = connection
        self._can_fork = can_fork
        self._buffer = b""
        self._open = True
        self._heard = True
        self._children: dict[int, dict[str, Any]] = {}
        self._boot = boot_id()
        self._null = os.open(os.devnull, os.O_RDWR)
        self._wake_reader, self._wake_writer = os.pipe()
        for descriptor in (self._wake_reader, self._wake_writer):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)

    def serve(self) -> dict[str, Any] | None:
        """Return None at the end; in a forked child return the request whose module is to be run."""
        while self._open or self._children:
            sources: list[Any] = [self._wake_reader]
            if self._open:
                sources.append(self._connection)
            ready, _, _ = select.select(sources, [], [])
            if self._wake_reader in ready:
                self._drain_wakeups()
                self._reap()
            if self._connection in ready:
                for line in self._receive():
                    request = json.loads(line)
                    if self._start(request):
                        return request  # type: ignore[no-any-return]
        return None

    def tell(self, message: dict[str, Any]) -> None:
        """Send one line to the sandbox, if it still listens."""
        if not self._heard:
            return
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._heard = False

    def _receive(self) -> list[bytes]:
        try:
            data = self._connection.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._open = False
            return []
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return lines

    def _drain_wakeups(self) -> None:
        try:
            while os.read(self._wake_reader, 512):
                pass
        except BlockingIOError:
            return

    # -- children ---------------------------------------------------------------------------------------------------

    def _start(self, request: dict[str, Any]) -> bool:
        """Fork for a request; True in a child that is to run a module, False in the parent."""
        directory = request["directory"]
        if os.path.exists(os.path.join(directory, "started")):
            self.tell({"taken": request["start"]})
            return False
        forks = bool(request["module"]) and self._can_fork and not needs_exec(request["env"])
        pid = os.fork()
        if pid:
            self._children[pid] = request
            self.tell({"started": request["start"], "pid": pid})
            return False
        self._leave_parent()
        if not become(request, self._boot, self._null):
            os._exit(0)
        if not forks:
            execute(request)
        return True

    def _leave_parent(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._connection.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            request = self._children.pop(pid, None)
            if request is not None:
                self._finish(pid, status, request)

    def _finish(self, pid: int, status: int, request: dict[str, Any]) -> None:
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        outcome = {"code": code, "finished": time.time()}
        write_file(os.path.join(request["directory"], f"exit.{pid}"), json.dumps(outcome))
        self._kill_leftovers(pid, request["marker"])
        self.tell({"exited": request["start"], **outcome})

    def _kill_leftovers(self, pid: int, marker: str) -> None:
        """End what a container left behind: its group, and orphans of its session or with its mark."""
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        for orphan in own_children() - set(self._children):
            if session_of(orphan) == pid or has_mark(orphan, marker):
                os.kill(orphan, signal.SIGKILL)


def own_children() -> set[int]:
    """Return the children of this process; orphans below it are among them."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()


def session_of(pid: int) -> int:
    """Return a process's session, 0 when it is gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def has_mark(pid: int, marker: str) -> bool:
    """Return whether a process was executed with the marker in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return marker.encode() in file.read().split(b"\0")
    except OSError:
        return False


# -- in the child ---------------------------------------------------------------------------------------------------


def needs_exec(env: dict[str, str]) -> bool:
    """Return whether an environment takes effect only in a freshly executed interpreter."""
    return any(name.startswith(_EXEC_ONLY) and name not in _HARMLESS for name in env)


def become(request: dict[str, Any], boot: str, null: int) -> bool:
    """Turn this fork into the container: session, record, descriptors, environment. False when it was started before."""
    os.setsid()
    directory = request["directory"]
    pid = os.getpid()
    record = {"pid": pid, "ticks": start_ticks(pid), "boot": boot, "started": time.time()}
    draft = os.path.join(directory, f"started.{pid}")
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(record, file)
    try:
        os.link(draft, os.path.join(directory, "started"))
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    log = os.open(os.path.join(directory, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.close(null)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    return True


def execute(request: dict[str, Any]) -> None:
    """Replace this fork by the program; on failure leave the reason in ``start-error`` and exit."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    argv: list[str] = request["argv"]
    try:
        os.execvpe(argv[0], argv, request["env"])
    except OSError as error:
        write_file(os.path.join(request["directory"], "start-error"), f"{argv[0]}: {error.strerror}")
    os._exit(START_FAILED)


def run(request: dict[str, Any]) -> None:
    """Run the module as ``python -m`` would have."""
    env = request["env"]
    time.tzset()
    random.seed()
    importlib.invalidate_caches()
    sys.path.insert(0, os.getcwd())
    sys.argv = list(request["argv"][2:])
    sys.dont_write_bytecode = bool(env.get("PYTHONDONTWRITEBYTECODE"))
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def write_file(path: str, text: str) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    draft = f"{path}.draft"
    try:
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    except OSError:
        # The pod was removed with its directory, or the disk is full: the sandbox takes a missing status as lost.
        traceback.print_exc()


def main() -> None:
    """Entry: ``zygote.py DESCRIPTOR [MODULE...]``; the first must load, the others help. Without one it only executes programs."""
    module, *others = sys.argv[2:] or [""]
    del sys.path[0]
    # Elsewhere than on Linux orphans go to init, and are found by their process group only.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    error = preload(module) if module else None
    for other in others if not error else ():
        preload(other)
    zygote = Zygote(socket.socket(fileno=int(sys.argv[1])), bool(module) and not error and single_threaded())
    can_fork = zygote._can_fork
    zygote.tell({"hello": {"error": error, "forks": can_fork, "watch": watched_paths()}})
    gc.collect()
    gc.freeze()
    request = zygote.serve()
    if request is not None:
        run(request)


if __name__ == "__main__":
    main()
