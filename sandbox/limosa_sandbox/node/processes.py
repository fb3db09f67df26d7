"""Processes of this machine: which there are, whose they are, what they hold."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        pid: Its id.
        parent: Its parent's id.
        session: The session it belongs to.
        resident: Bytes it holds in memory, shared ones included.
        ticks: When it started, in clock ticks since boot.
        dead: Whether it has ended and only waits to be collected.
    """

    pid: int
    parent: int
    session: int
    resident: int
    ticks: int
    dead: bool


def read(pid: int) -> Process | None:
    """Return a process, None when there is no such one."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) < 22:
        return None
    return Process(
        pid=pid, parent=int(fields[1]), session=int(fields[3]), resident=int(fields[21]) * _PAGE,
        ticks=int(fields[19]), dead=fields[0] in (b"Z", b"X"),
    )  # fmt: skip


def table() -> list[Process]:
    """Return all processes; empty where the system does not list them."""
    try:
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    except OSError:
        return []
    found = (read(pid) for pid in pids)
    return [process for process in found if process is not None]


def descendants(leader: int) -> list[Process]:
    """Return a process and all below it, without those whose parents have ended; cheap where few belong to it."""
    found: list[Process] = []
    pending = [leader]
    while pending:
        pid = pending.pop()
        process = read(pid)
        if process is not None:
            found.append(process)
            pending += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    result: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                result += map(int, file.read().split())
    except OSError:
        return result  # It ended while we looked, or the system does not list children: the next full look finds them.
    return result


def families(leaders: Iterable[int], processes: Iterable[Process]) -> dict[int, list[Process]]:
    """Return for each leader itself, its descendants, and whoever is in the session it leads."""
    everyone = list(processes)
    leading = set(leaders)
    parents = {process.pid: process.parent for process in everyone}
    result: dict[int, list[Process]] = {leader: [] for leader in leading}
    for process in everyone:
        leader = process.session if process.session in leading else _ancestor(process.pid, parents, leading)
        if leader:
            result[leader].append(process)
    return result


def _ancestor(pid: int, parents: dict[int, int], leading: set[int]) -> int:
    seen = 0
    while pid in parents and seen < 64:
        if pid in leading:
            return pid
        pid, seen = parents[pid], seen + 1
    return 0


def held(family: Iterable[Process], limit: int) -> int:
    """Return bytes that a family holds in memory together.

    Shared pages count once when it matters: resident sizes, which count them for each process, are an upper bound, and only when
    that exceeds ``limit`` the proportional sizes are read, which cost the system more.
    """
    members = list(family)
    upper = sum(process.resident for process in members)
    if upper <= limit:
        return upper
    return sum(_proportional(process) for process in members)


def _proportional(process: Process) -> int:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return process.resident if read(process.pid) else 0
    return process.resident


def is_alive(pid: int, ticks: int) -> bool:
    """Return whether the process that started at ``ticks`` still runs (0: any with this id)."""
    process = read(pid)
    if process is None:
        return not os.path.isdir("/proc/self") and _answers(pid)
    return not process.dead and ticks in (0, process.ticks)


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to one process; nothing happens when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_family(leader: int) -> None:
    """Kill a session's leader, its group and its whole family."""
    family = families([leader], table())[leader]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    for process in family:
        send(process.pid, signal.SIGKILL)
