"""Images: which program on this machine stands for a container, if any does. Pure but for looking whether a file exists."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limosa_model.names import ANNOTATION_SANDBOX_PYTHON
from limosa_model.pod_contract import POD_COMMAND

ANNOTATION_HOST_PROCESS = "limosa.dev/sandbox-host-process"
"""``"true"`` lets a pod run programs of this machine by absolute path."""

_PYTHON = ("python", "python3")


@dataclass(frozen=True)
class Program:
    """What runs.

    Attributes:
        interpreter: Python whose environment it runs in (also decides ``PATH``).
        argv: The command line.
        module: The module to run in a fork, where the command line is the runtime's; else None and it is executed.
    """

    interpreter: str
    argv: tuple[str, ...]
    module: str | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a container cannot run here.

    Attributes:
        reason: ``ImageNotRunnable`` or ``StartError``.
        message: The cause.
    """

    reason: str
    message: str


def program_of(
    pod: Mapping[str, Any], image: str, command: Sequence[str], runnable: Sequence[str], default_python: str
) -> Program | Refusal:
    """Return what runs for a container.

    Args:
        pod: The pod.
        image: The container's image.
        command: Its command and arguments.
        runnable: Shell patterns of images whose ``python`` can be stood in for.
        default_python: Interpreter where the pod names none.
    """
    annotations = pod["metadata"].get("annotations") or {}
    interpreter = annotations.get(ANNOTATION_SANDBOX_PYTHON) or default_python
    if annotations.get(ANNOTATION_HOST_PROCESS) == "true" and command and os.path.isabs(command[0]):
        return Program(interpreter, tuple(command))
    is_runtime = tuple(command[1:]) == POD_COMMAND[1:]
    if not any(fnmatch.fnmatchcase(image, pattern) for pattern in runnable):
        return Refusal("ImageNotRunnable", _no_engine(f'the image "{image}"', runnable, is_runtime))
    if not command or command[0] not in _PYTHON:
        shown = f'the command "{" ".join(command)}"' if command else "the image's own entry point"
        return Refusal("ImageNotRunnable", _no_engine(shown, runnable, is_runtime))
    if not os.path.isabs(interpreter) or not os.access(interpreter, os.X_OK):
        return Refusal(
            "StartError",
            f'annotation {ANNOTATION_SANDBOX_PYTHON} names "{interpreter}", which is no program on this machine: '
            "was the environment that submitted the run removed? Create it again and launch the run anew",
        )
    argv = (interpreter, *command[1:])
    return Program(interpreter, argv, POD_COMMAND[2] if is_runtime else None)


def _no_engine(what: str, runnable: Sequence[str], is_function: bool) -> str:
    """The cause; what to do is said by whoever shows it, as of every failure."""
    cause = f"the sandbox has no container engine and cannot run {what}"
    own = f"; in place of {' or '.join(runnable)} it has the environment that submitted the task"
    return cause + (own if is_function else "")
