"""Memory limits: looks at what containers hold and kills those that hold more than they may."""

from __future__ import annotations

import asyncio
import time

from limosa_sandbox.node import processes
from limosa_sandbox.node.containers import Instance

_SHARE = 0.1
_FULL_LOOK = 10
"""Every so many looks the whole process table is read, which finds members that left their parents."""


class MemoryGuard:
    """Enforces memory limits by sampling, as no container engine does it for us.

    Args:
        interval: Seconds between two samples; longer when looking itself takes more than a tenth of the time.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._limits: dict[Instance, int] = {}
        self._woken = asyncio.Event()
        self._looks = 0

    def add(self, instance: Instance, limit: int) -> None:
        """Watch a running container; ``limit`` in bytes."""
        self._limits[instance] = limit
        self._woken.set()

    def discard(self, instance: Instance) -> None:
        """Watch a container no more."""
        self._limits.pop(instance, None)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if not self._limits:
                self._woken.clear()
                await self._woken.wait()
            began = time.monotonic()
            self.look()
            await asyncio.sleep(max(self._interval, (time.monotonic() - began) / _SHARE))

    def look(self) -> None:
        """Take one sample and kill what exceeds its limit."""
        watched = {instance.pid: instance for instance in self._limits if instance.running}
        self._looks += 1
        if self._looks % _FULL_LOOK:
            families = {pid: processes.descendants(pid) for pid in watched}
        else:
            families = processes.families(watched, processes.table())
        for pid, family in families.items():
            instance = watched[pid]
            limit = self._limits[instance]
            if processes.held(family, limit) > limit:
                instance.kill_for_memory()
                self.discard(instance)
