"""Processes as the kernel knows them: a pid alone may have gone to another process since."""

from contextlib import suppress

import psutil

_SAME_START_S = 1.5


def started_at(pid: int) -> float:
    """Returns when a process started (Unix seconds), or 0 when there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def find_process(pid: int, started: float) -> psutil.Process | None:
    """Returns the process that had this pid and start time, if it still runs."""
    if pid <= 1 or not started:
        return None
    try:
        process = psutil.Process(pid)
        alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return process if alive and abs(process.create_time() - started) < _SAME_START_S else None


def kill_leftover(pid: int, started: float, wait_s: float = 5.0) -> bool:
    """Kills a process recorded earlier and waits for its end; returns whether there was one."""
    process = find_process(pid, started)
    if process is None:
        return False
    with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process.kill()
        process.wait(wait_s)
    return True
