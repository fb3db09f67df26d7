"""What a task's `packages` may be."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from limosa.errors import LimosaError
from limosa.origin import Origin, caller, origin_of, source_root

if TYPE_CHECKING:
    from limosa.tasks import Task

_EXAMPLE = 'write packages=["xgboost==2.1.4"], packages="requirements.txt" or packages="uv.lock"'
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*\s*(\[[^]]*\]\s*)?([@(<>=!~;]|$)")
_PYTHON = re.compile(r"3\.\d{1,2}")
_PLATFORM = re.compile(r"[a-z0-9_]+-[a-z0-9_-]+")


class Packages:
    """Packages that a task's pods get beside those of their image, without another image.

    Attributes:
        requirements: Requirements as pip reads them; or the path of a requirements file or a uv.lock, as it was written.
        python: Minor version of the pods' Python ("3.12"); None: the one that registers the task.
        platform: Of the pods, as uv names it ("aarch64-manylinux_2_28"); None: Linux on this machine's kind of processor.
        find_links: Folders or pages with further wheels.
        written: Where this was written.
    """

    def __init__(
        self,
        requirements: "str | os.PathLike[str] | Sequence[str]",
        *,
        python: str | None = None,
        platform: str | None = None,
        find_links: "str | Sequence[str]" = (),
    ) -> None:
        """Takes what is wanted; a file is looked for beside the one that declares the task, then in the source root.

        Raises:
            LimosaError: It is none of these; the message says which part.
        """
        self.written = caller()
        self.requirements = _requirements(requirements, self.written)
        self.python = _matching("python", python, _PYTHON, "3.12", self.written)
        self.platform = _matching("platform", platform, _PLATFORM, "aarch64-manylinux_2_28", self.written)
        self.find_links = (find_links,) if isinstance(find_links, str) else tuple(find_links)

    @property
    def file(self) -> str:
        """The path of the file with the requirements, as it was written; empty where they were listed."""
        return self.requirements if isinstance(self.requirements, str) else ""

    @property
    def is_uv_lock(self) -> bool:
        """Whether the file is a lock of uv's."""
        return os.path.basename(self.file) == "uv.lock"

    def __repr__(self) -> str:
        given = self.requirements if self.file else list(self.requirements)
        return f"Packages({given!r})"


class Declared(NamedTuple):
    """A task's packages where they stand."""

    packages: Packages
    task: str
    """Its name."""
    origin: Origin
    """The task's."""
    root: str
    """Its source root."""

    @property
    def key(self) -> str:
        """sha256 (hex) of what is declared, the same on every machine; not of what it is resolved to."""
        given = self.packages
        folder = os.path.relpath(self.folder, self.root) if given.file or given.find_links else ""
        parts = [given.requirements, given.python, given.platform, given.find_links, folder]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def folder(self) -> str:
        """The folder of the task's file."""
        return os.path.dirname(self.origin.file)

    def path(self, name: str) -> str:
        """The absolute path of a file or folder that is named in the declaration. Raises LimosaError where none is."""
        candidates = [os.path.normpath(os.path.join(base, name)) for base in (self.folder, self.root)]
        for path in candidates:
            if os.path.exists(path):
                return path
        tried = " nor ".join(dict.fromkeys(candidates))
        raise self.error(
            "PackagesFile",
            f"there is no {tried}",
            "paths are relative to the task's file, then to the project",
        )

    def error(self, code: str, message: str, remedy: str) -> LimosaError:
        """An error about these packages, naming the task and where it is."""
        return LimosaError(code, f"task {self.task}: packages: {message}", str(self.origin), remedy)


def declared_packages(task: "Task[..., Any]") -> Declared | None:
    """A task's packages; None where it declares none."""
    if task.options.packages is None:
        return None
    origin = origin_of(task.function)
    return Declared(task.options.packages, task.name, origin, source_root(origin.file))


def packages_option(value: Any) -> Packages | None:
    """What @task was given, checked. Raises LimosaError."""
    return value if value is None or isinstance(value, Packages) else Packages(value)


def _requirements(value: Any, place: Origin) -> "str | tuple[str, ...]":
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if os.path.basename(path) != "uv.lock" and not path.endswith((".txt", ".in")):
            raise _error(f"{path!r} is no requirements file and no uv.lock", _EXAMPLE, place)
        return path
    if not isinstance(value, Sequence) or not value or not all(isinstance(one, str) for one in value):
        raise _error(f"{value!r} is no list of requirements", _EXAMPLE, place)
    for one in value:
        _check_requirement(one, place)
    return tuple(one.strip() for one in value)


def _check_requirement(text: str, place: Origin) -> None:
    """Refuses what clearly is none; the rest is uv's to say, which pods, who read this too, do without."""
    if not _REQUIREMENT.match(text.strip()) and not text.strip().endswith(".whl"):
        raise _error(f"{text!r} is no requirement", 'write it as for pip, such as "xgboost==2.1.4"', place)


def _matching(name: str, value: Any, pattern: "re.Pattern[str]", example: str, place: Origin) -> str | None:
    if value is not None and (not isinstance(value, str) or not pattern.fullmatch(value)):
        raise _error(f"{name}={value!r} is none", f'write {name}="{example}"', place)
    return value


def _error(message: str, remedy: str, place: Origin) -> LimosaError:
    return LimosaError("TaskOption", f"packages: {message}", str(place), remedy)
