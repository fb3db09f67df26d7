"""CPU time of the platform's processes: what is left to compare where others use the same machine."""

from pathlib import Path
from typing import NamedTuple

import parts
import psutil


class Used(NamedTuple):
    """CPU seconds since the processes began, user and system."""

    admin: float
    postgres: float

    def since(self, before: "Used") -> "Used":
        """What was used in between."""
        return Used(self.admin - before.admin, self.postgres - before.postgres)


def used(platform: parts.Platform) -> Used:
    """Of admin, and of all of Postgres' processes, those that ended included."""
    postmaster = psutil.Process(platform.postgres_pid)
    own = postmaster.cpu_times()
    ended = own.children_user + own.children_system
    return Used(
        seconds(platform.admin_pid),
        seconds(platform.postgres_pid)
        + ended
        + sum(seconds(child.pid) for child in postmaster.children(recursive=True)),
    )


def seconds(pid: int) -> float:
    """CPU seconds of one process; 0 for one that is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def waited(pid: int) -> float:
    """Seconds that the first thread of a process was ready and had no core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
