"""Where a task's function works on this machine: a folder and variables of its own, as in a pod."""

import contextlib
import functools
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from limosa.errors import LimosaError
from limosa.origin import shown_from
from limosa.tasks import Task
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model.failures import Code
from limosa_model.secret_names import path_variable_of, variable_of


class Workplace:
    """The folder of one attempt; another one takes it over when it has ended, because making folders takes time."""

    def __init__(self, folder: Path) -> None:
        """Makes the folders."""
        self.folder = folder
        """Holds nothing else than the other two."""
        self.code = folder / "code"
        self.work = folder / "work"
        self.code.mkdir()
        self.work.mkdir()

    def link(self, root: str) -> None:
        """Lets the entries of a source root, and no others, be found below `code`."""
        there = set()
        with contextlib.suppress(OSError):  # it may not be read, or be gone, or lie in an archive
            there = set(os.listdir(root))
        linked = set()
        with os.scandir(self.code) as entries:
            for entry in entries:
                if entry.is_symlink() and entry.name in there:
                    linked.add(entry.name)
                else:
                    _remove(entry)
        for name in there - linked:
            os.symlink(os.path.join(root, name), os.path.join(self.code, name))

    def clear(self) -> None:
        """Removes what the attempt left."""
        for folder in (self.folder, self.code, self.work):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.is_symlink() and entry.path not in (str(self.code), str(self.work)):
                        _remove(entry)


def _remove(entry: "os.DirEntry[str]") -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        os.unlink(entry.path)


@functools.lru_cache(maxsize=8)
def _free(scratch: Path, root: str, process: int) -> list[Workplace]:
    """Workplaces that nobody uses; each process has its own."""
    return []


@contextlib.contextmanager
def workplace(scratch: Path, root: str) -> Iterator[Workplace]:
    """A workplace below a scratch directory, for a task of a source root."""
    free = _free(scratch, root, os.getpid())
    found = free.pop() if free else None
    if found is None or not found.code.is_dir():
        scratch.mkdir(parents=True, exist_ok=True)
        found = Workplace(Path(tempfile.mkdtemp(dir=scratch)))
    found.link(root)
    try:
        yield found
    finally:
        with contextlib.suppress(OSError):  # it stays as it is, and goes with the scratch directory
            found.clear()
            free.append(found)


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Makes a folder the working directory.

    A process has one: calls from other threads than the main one stay where they are.
    """
    try:
        before = os.getcwd()
    except FileNotFoundError:  # it was removed under our feet
        before = ""
    if not before or threading.current_thread() is not threading.main_thread():
        yield
        return
    with shown_from(before), _imports_from(before):
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


@contextlib.contextmanager
def _imports_from(folder: str) -> Iterator[None]:
    """An interactive Python imports from the working directory, whichever that is."""
    if "" not in sys.path:
        yield
        return
    sys.path[sys.path.index("")] = folder
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path[sys.path.index(folder)] = ""


def missing_file_hint(error: BaseException, root: str) -> str:
    """What to do about a file that lies where the person stands, and not where the task works; else empty."""
    name = error.filename if isinstance(error, FileNotFoundError) else None
    if not isinstance(name, (str, bytes, os.PathLike)):
        return ""
    path = os.fsdecode(name)
    if os.path.isabs(path) or not os.path.exists(path):
        return ""
    return (
        f"{path} lies in {os.getcwd()}; a task works in a folder of its own, which holds the files of its source root {root}: "
        "pass it as a File input."
    )


@contextlib.contextmanager
def with_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets variables of this process, and puts back what there was."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def variables_of(task: Task[..., Any], node: Node) -> dict[str, str]:
    """What a pod of the node would have in its environment; secrets are taken from this process's own.

    Raises:
        LimosaError: A secret is not there.
    """
    paths: dict[str, str] = {}
    # What stands in for the function needs no secrets, and a container gets none here.
    for secret in task.options.secrets if task.replacement is None and task.container is None else ():
        variable = path_variable_of(secret.key) if secret.file else secret.env or variable_of(secret.key)
        if variable in os.environ:
            continue
        if secret.file and os.path.exists(secret.file):
            paths[variable] = secret.file
            continue
        value = "the path of a file that holds it" if secret.file else "…"
        message = f"secret {secret.name}/{secret.key} is not set here"
        raise LimosaError(Code.SECRET_MISSING, message, task.signature.place, f"export {variable}={value}")
    return {**paths, **task.options.environment, **node.overrides.environment}
