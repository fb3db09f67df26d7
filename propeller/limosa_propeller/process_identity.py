"""Which process this is, so that a successor knows whether it still lives."""

import os
import socket
from pathlib import Path

_PROC = Path("/proc")


def own_identity() -> str:
    """Host, boot, pid namespace, pid and start time, joined by "_"; unique for ever."""
    return "_".join((*_place(), str(os.getpid()), _start_time(os.getpid())))


def is_dead(identity: str) -> bool:
    """Whether the process is known not to run any more.

    Only a process of the same host, boot and pid namespace can be known to be dead; of all others nothing is known.
    """
    parts = identity.rsplit("_", 4)
    if len(parts) != 5 or tuple(parts[:3]) != _place() or not parts[3].isdigit() or "" in parts[1:3]:
        return False
    return _start_time(int(parts[3])) != parts[4]


def _place() -> tuple[str, str, str]:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
        namespace = os.readlink(_PROC / "self/ns/pid").strip("pid:[]")
    except OSError:
        boot = namespace = ""
    return socket.gethostname(), boot, namespace


def _start_time(pid: int) -> str:
    """Clock ticks from boot to the process's start; empty where there is no such process, or a dead one's remains."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
