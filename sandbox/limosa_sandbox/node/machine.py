"""What this machine has: cores, memory, GPUs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

_DEVICE = re.compile(r"nvidia(\d+)")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def cpus() -> Fraction:
    """Return the cores this process may use, a container's quota respected."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    quota = _read(_CPU_QUOTA).split()
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]):
        return max(min(Fraction(cores), Fraction(int(quota[0]), int(quota[1]))), Fraction(1, 10))
    return Fraction(cores)


def memory() -> int:
    """Return bytes of memory, a container's limit respected."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [int(text) for text in (_read(path).strip() for path in _MEMORY_LIMITS) if text.isdigit()]
    return min([total, *limits])


def gpus() -> tuple[str, ...]:
    """Return the NVIDIA devices that programs here can use, by index."""
    program = shutil.which("nvidia-smi")
    if program is not None:
        command = [program, "--query-gpu=index", "--format=csv,noheader"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            answer = None
        if answer is not None:
            return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip().isdigit())
    found = (_DEVICE.fullmatch(entry) for entry in os.listdir("/dev"))
    return tuple(sorted((match[1] for match in found if match), key=int))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
