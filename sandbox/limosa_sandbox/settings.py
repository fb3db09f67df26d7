"""Settings of the sandbox, made once from the command line."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True)
class SandboxSettings:
    """What one sandbox is told; None leaves the choice to the machine.

    Attributes:
        home: directory of everything it keeps.
        cpus: cores its node offers to pods.
        memory: bytes its node offers to pods.
        gpus: devices its node offers, real or pretended.
        project: project whose domains get a namespace.
        task_image: image of tasks that name none; the node runs it as the submitter's Python.
        start_timeout_s: seconds within which every part must be ready.
    """

    home: Path
    cpus: Fraction | None = None
    memory: int | None = None
    gpus: int | None = None
    project: str = "demo"
    task_image: str = "limosa/task:latest"
    start_timeout_s: float = 60.0
