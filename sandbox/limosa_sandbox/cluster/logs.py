"""Pod logs: what the server asks of whoever runs the pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from limosa_sandbox.cluster.errors import ApiError


class LogReader(Protocol):
    """Reads what a container printed. Pod and container exist when it is called."""

    def read(
        self, namespace: str, pod: str, container: str, *, follow: bool = False, tail_lines: int | None = None,
        previous: bool = False, timestamps: bool = False, since_seconds: int | None = None, limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        """Yield the log in pieces (an async generator).

        Args:
            namespace: Namespace of the pod.
            pod: Its name.
            container: Which of its containers.
            follow: Go on until the container ends.
            tail_lines: Only so many lines from the end.
            previous: The container's instance before its last restart.
            timestamps: Start each line with its RFC 3339 time and a blank.
            since_seconds: Only lines younger than this.
            limit_bytes: Stop after so many bytes.

        Raises:
            ApiError: 400 when the container has not started or has no previous instance; before the first piece only.
        """
        ...


class NoLogs:
    """The log reader of a cluster without a node."""

    async def read(
        self, namespace: str, pod: str, container: str, *, follow: bool = False, tail_lines: int | None = None,
        previous: bool = False, timestamps: bool = False, since_seconds: int | None = None, limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        """Refuse: nothing runs here."""
        if previous:
            raise ApiError(400, f'previous terminated container "{container}" in pod "{pod}" not found')
        raise ApiError(400, f'container "{container}" in pod "{pod}" is waiting to start: ContainerCreating')
        yield b""
