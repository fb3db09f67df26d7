"""Logs: what containers printed, as ``kubectl logs`` asks for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from pathlib import Path

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.node.containers import Instance, instance_directory, instances
from limosa_sandbox.node.host import Host
from limosa_sandbox.node.kubelet import Kubelet

_CHUNK = 1 << 16
_POLL = 0.1


class PodLogs:
    """Reads containers' logs from their files.

    Files hold bare lines. A line's time is when its file was last written to as seen while following it, else the end (or the
    present) of its container; ``since_seconds`` therefore either takes or leaves a finished container's log as a whole.

    Args:
        host: What the node offers.
        kubelet: Knows what runs.
    """

    def __init__(self, host: Host, kubelet: Kubelet) -> None:
        self._host = host
        self._kubelet = kubelet

    async def read(
        self, namespace: str, pod: str, container: str, *, follow: bool = False, tail_lines: int | None = None,
        previous: bool = False, timestamps: bool = False, since_seconds: int | None = None, limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        """Yield a container's log in pieces; see the protocol this follows."""
        uid = self._host.storage.get("pods", namespace, pod)["metadata"]["uid"]
        path = self._path(uid, pod, container, previous)
        left = limit_bytes
        stamper = _Stamper() if timestamps else None
        async for piece in self._pieces(
            path, uid, container, follow and not previous, tail_lines, since_seconds
        ):
            data = stamper.add(piece, path) if stamper else piece
            if left is not None:
                data = data[:left]
                left -= len(data)
            if data:
                yield data
            if left == 0:
                return

    def _path(self, uid: str, pod: str, container: str, previous: bool) -> Path:
        directory = self._host.directory(uid)
        numbers = instances(directory, container)
        if previous:
            if len(numbers) < 2:
                raise ApiError(400, f'previous terminated container "{container}" in pod "{pod}" not found')
            return instance_directory(directory, container, numbers[-2]) / "log"
        path = instance_directory(directory, container, numbers[-1]) / "log" if numbers else None
        if path is None or not path.exists():
            raise ApiError(
                400, f'container "{container}" in pod "{pod}" is waiting to start: ContainerCreating'
            )
        return path

    async def _pieces(
        self,
        path: Path,
        uid: str,
        container: str,
        follow: bool,
        tail_lines: int | None,
        since_seconds: int | None,
    ) -> AsyncIterator[bytes]:
        instance = self._running(uid, container)
        with path.open("rb") as file:
            if since_seconds is not None and path.stat().st_mtime < time.time() - since_seconds:
                file.seek(0, 2)
            elif tail_lines is not None:
                file.seek(_tail_offset(path, tail_lines))
            while True:
                over = instance is None or instance.ended.done()
                while piece := file.read(_CHUNK):
                    yield piece
                if not follow or over:
                    return
                if file.tell() > path.stat().st_size:
                    file.seek(0)
                await asyncio.sleep(_POLL)

    def _running(self, uid: str, container: str) -> Instance | None:
        runner = self._kubelet.runner(uid)
        return runner.running.get(container) if runner else None


class _Stamper:
    """Puts a time before every line of a stream."""

    def __init__(self) -> None:
        self._at_start = True

    def add(self, piece: bytes, path: Path) -> bytes:
        moment = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()
        lines = piece.splitlines(keepends=True)
        stamped = [
            line if index == 0 and not self._at_start else stamp + line for index, line in enumerate(lines)
        ]
        self._at_start = piece.endswith(b"\n")
        return b"".join(stamped)


def _tail_offset(path: Path, lines: int) -> int:
    """Return where the last ``lines`` lines of a file begin."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        if lines <= 0 or end == 0:
            return end
        # A line break that ends the file begins no further line.
        position, found = end - 1, 0
        while position > 0:
            size = min(_CHUNK, position)
            file.seek(position - size)
            block = file.read(size)
            cut = size
            while (cut := block.rfind(b"\n", 0, cut)) >= 0:
                found += 1
                if found == lines:
                    return position - size + cut + 1
            position -= size
    return 0
