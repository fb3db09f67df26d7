"""Starting one instance of a container: its folders, environment and process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limosa_sandbox.node import resources, volumes
from limosa_sandbox.node.containers import Instance
from limosa_sandbox.node.environment import Place, environment, expand, mapped
from limosa_sandbox.node.host import Host
from limosa_sandbox.node.images import Program
from limosa_sandbox.node.zygotes import InterpreterError, Start, ZygoteGoneError, plain_interpreter

_START_FAILED = 128


@dataclass(frozen=True)
class Recipe:
    """All that one container needs to be started.

    Attributes:
        pod: Its pod.
        container: Its specification.
        program: What runs.
        folders: The pod's volumes.
        gpus: Devices it may see.
    """

    pod: Mapping[str, Any]
    container: Mapping[str, Any]
    program: Program
    folders: Mapping[str, Path]
    gpus: tuple[str, ...]


async def start(recipe: Recipe, instance: Instance, host: Host) -> None:
    """Start an instance; where that is impossible the instance has ended with ``StartError`` (its
    program) or ``CreateContainerError`` (this machine).

    Raises:
        ContainerConfigError: Something its environment refers to is missing; nothing was started.
    """
    try:
        request = _request(recipe, instance, host)
    except OSError as error:
        instance.end_unstarted(_START_FAILED, "CreateContainerError", unwritable(error))
        return
    try:
        pid = await _spawn(request, recipe.program.interpreter, instance, host)
    except InterpreterError as error:
        instance.end_unstarted(_START_FAILED, "StartError", str(error))
        return
    if pid is None:
        instance.adopt()
    else:
        instance.note_started(pid)
    limit = resources.limit(recipe.container, resources.MEMORY)
    if limit is not None:
        host.memory.add(instance, int(limit))


def unwritable(error: OSError) -> str:
    """Return the message for a pod whose files cannot be made."""
    return f"the pod's files cannot be written: {error.filename}: {error.strerror}"


async def _spawn(request: Start, interpreter: str, instance: Instance, host: Host) -> int | None:
    ways = [(plain_interpreter(), False)] * 2
    if request.module is not None:
        ways.insert(0, (interpreter, True))
    for path, preload in ways:
        zygote = await host.zygotes.get(path, preload)
        try:
            return await zygote.start(request if preload else replace(request, module=None), instance.settle)
        except ZygoteGoneError:
            # It died under us. The plain way is slower and does not depend on it; the instance's record keeps the container
            # from being started twice.
            continue
    raise InterpreterError(
        f"{interpreter}: the process that starts containers died repeatedly; see zygotes.log"
    )


def _request(recipe: Recipe, instance: Instance, host: Host) -> Start:
    pod, container = recipe.pod, recipe.container
    root = host.directory(pod["metadata"]["uid"])
    mounts = volumes.mounts(container, recipe.folders)
    mounts[container.get("terminationMessagePath") or "/dev/termination-log"] = str(instance.termination)
    home, tmp, cwd = str(root / "home"), str(root / "tmp"), _working_directory(container, mounts, root)
    place = Place(
        node=host.settings.name, interpreter=recipe.program.interpreter, home=home, tmp=tmp, mounts=mounts,
        gpus=recipe.gpus, capacity=host.capacity,
    )  # fmt: skip
    env = environment(pod, container, host.objects(pod["metadata"]["namespace"]), place)
    first, *rest = recipe.program.argv
    argv = (first, *(mapped(expand(argument, env), mounts) for argument in rest))
    for folder in (str(instance.directory), cwd, *{env["HOME"], env["TMPDIR"]}.intersection((home, tmp))):
        if not os.path.isdir(folder):
            os.makedirs(folder)
    # From here on the log can be read and followed, though nothing is in it yet.
    instance.log.touch()
    key = f"{pod['metadata']['uid']}/{container['name']}/{instance.number}"
    return Start(key, instance.directory, recipe.program.module, argv, env, cwd)


def _working_directory(container: Mapping[str, Any], mounts: Mapping[str, str], root: Path) -> str:
    wanted = os.path.normpath(container.get("workingDir") or "/")
    inside = mapped(wanted, mounts)
    return inside if inside != wanted else str(root / "rootfs" / wanted.lstrip("/"))
