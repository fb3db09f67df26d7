"""Settings of the node."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from limosa_sandbox.node import machine


@dataclass(frozen=True)
class NodeSettings:
    """What the node has and how it behaves; times in seconds.

    Attributes:
        directory: Where pods' files live (logs, volumes, exit codes); must survive a restart of the sandbox.
        cpu: Cores to give to pods.
        memory: Bytes to give to pods.
        gpus: Device names as ``CUDA_VISIBLE_DEVICES`` takes them, one pod each.
        max_pods: Pods at a time.
        name: Name of the node.
        default_python: Interpreter of pods that name none.
        runnable_images: Shell patterns of image references whose ``python`` stands for the interpreter.
        lifecycle_events: Whether the happy path is told by events too (Scheduled, Pulled, Created, Started); trouble always is.
        memory_interval: Between two looks at what containers hold.
        disk_interval: Between two looks at what pods with a storage limit have written.
        config_interval: Between two looks for a missing secret or config map.
        restart_backoff: Before the first restart of a container that ended; doubles up to 300.
        shutdown_grace: From SIGTERM to SIGKILL when the node closes.
        log_limit: Bytes of a container's log above which its older part is dropped (a tenth stays).
        zygote_idle: After which an unused pre-forked interpreter ends.
        zygote_start: Within which a pre-forked interpreter must be ready.
    """

    directory: Path
    cpu: Fraction
    memory: int
    gpus: tuple[str, ...] = ()
    max_pods: int = 110
    name: str = "sandbox"
    default_python: str = sys.executable
    runnable_images: tuple[str, ...] = ("limosa/task:*",)
    lifecycle_events: bool = False
    memory_interval: float = 0.1
    disk_interval: float = 2.0
    config_interval: float = 0.5
    restart_backoff: float = 10.0
    shutdown_grace: float = 3.0
    log_limit: int = 200 << 20
    zygote_idle: float = 3600.0
    zygote_start: float = 60.0

    @classmethod
    def of_machine(
        cls,
        directory: Path,
        *,
        cpu: Fraction | None = None,
        memory: int | None = None,
        gpus: int | None = None,
    ) -> NodeSettings:
        """Return settings with this machine's capacity where none is given; ``gpus`` counts devices, real or pretended."""
        return cls(
            directory=directory,
            cpu=machine.cpus() if cpu is None else cpu,
            memory=machine.memory() if memory is None else memory,
            gpus=machine.gpus() if gpus is None else tuple(str(index) for index in range(gpus)),
        )
