"""Which of an author's files travel."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType

from limosa.bundle.errors import BundleError

_EXCLUDED_DIRECTORIES = {
    ".cache",
    ".git",
    ".hg",
    ".hypothesis",
    ".idea",
    ".ipynb_checkpoints",
    ".limosa",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pycache__",
    "node_modules",
    "site-packages",
    "venv",
}
_OWN_PACKAGES = {
    "limosa",
    "limosa_admin",
    "limosa_engine",
    "limosa_idl",
    "limosa_model",
    "limosa_propeller",
    "limosa_sandbox",
    "limosa_store",
}


def imported_files(root: Path, modules: Mapping[str, ModuleType]) -> set[PurePosixPath]:
    """Source files below the root of loaded modules: what the author's file imported of its own project.

    Args:
        root: The source root.
        modules: Usually `sys.modules`.
    """
    base = root.resolve()
    found = set()
    for name, module in list(modules.items()):
        if name.partition(".")[0] in _OWN_PACKAGES:
            continue
        file = getattr(module, "__file__", None)
        relative = _below(base, file) if isinstance(file, str) else None
        if relative is not None and (base / relative).is_file():
            found.add(relative)
    return found


def included_files(root: Path, patterns: Iterable[str]) -> set[PurePosixPath]:
    """Files below the root that the project's `include` globs name; a directory stands for all below it.

    Raises:
        BundleError: A pattern or a link it matches leaves the root, or it matches nothing.
    """
    base = root.resolve()
    found: set[PurePosixPath] = set()
    for pattern in patterns:
        if pattern.startswith(("/", "~")) or ".." in pattern.split("/"):
            raise _bad_pattern(root, pattern, "leaves the source root", "name files below it")
        matches: set[PurePosixPath] = set()
        for path in base.glob(pattern):
            # A folder that lies elsewhere is not walked: its link is refused below.
            if path.is_dir() and _inside(base, path):
                matches.update(_walk(base, path))
            elif path.exists() and "__pycache__" not in path.parts:
                matches.add(PurePosixPath(path.relative_to(base).as_posix()))
        if not matches:
            raise _bad_pattern(root, pattern, "matches no file", "correct it or remove it from `include`")
        for match in sorted(matches):
            if not _inside(base, base / match):
                why = (
                    f"matches {match}, a link that leads out of the source root to {(base / match).resolve()}"
                )
                raise _bad_pattern(root, pattern, why, "put a copy there, or remove it from `include`")
        found |= matches
    return found


def all_files(root: Path) -> set[PurePosixPath]:
    """Everything below the root that git does not ignore; without git, everything but what tools leave behind.

    Links that lead out of the root stay behind.
    """
    base = root.resolve()
    listed = _git_files(base)
    found: set[PurePosixPath] = set()
    for name in listed or ():
        path = base / name
        if path.is_dir() and _inside(base, path):  # a submodule
            found.update(_walk(base, path))
        elif path.is_file():
            found.add(PurePosixPath(name))
    files = _walk(base, base) if listed is None else found
    return {file for file in files if _inside(base, base / file)}


def _inside(base: Path, path: Path) -> bool:
    """Whether a path, its links followed, lies below the root."""
    return path.resolve().is_relative_to(base)


def _git_files(base: Path) -> list[str] | None:
    command = ["git", "-C", str(base), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        result = subprocess.run(command, capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if result.returncode:
        return None
    return [os.fsdecode(name) for name in result.stdout.split(b"\0") if name]


def _walk(base: Path, start: Path) -> Iterator[PurePosixPath]:
    for directory, subdirectories, files in os.walk(start):
        subdirectories[:] = sorted(
            name
            for name in subdirectories
            if name not in _EXCLUDED_DIRECTORIES
            and not name.endswith(".egg-info")
            and not os.path.exists(os.path.join(directory, name, "pyvenv.cfg"))
        )
        for name in sorted(files):
            path = Path(directory, name)
            if not name.endswith((".pyc", ".pyo")) and path.is_file():
                yield PurePosixPath(path.relative_to(base).as_posix())


def _below(base: Path, file: str) -> PurePosixPath | None:
    try:
        relative = Path(file).resolve().relative_to(base)
    except (ValueError, OSError):
        return None
    if any(part in _EXCLUDED_DIRECTORIES for part in relative.parts[:-1]):
        return None
    for prefix in (sys.prefix, sys.base_prefix):
        environment = Path(prefix).resolve()
        if (
            environment != base
            and base in environment.parents
            and (base / relative).is_relative_to(environment)
        ):
            return None
    return PurePosixPath(relative.as_posix())


def _bad_pattern(root: Path, pattern: str, why: str, remedy: str) -> BundleError:
    return BundleError(
        code=BundleError.UNREADABLE,
        message=f"the include pattern {pattern!r} {why}",
        place=str(root),
        remedy=remedy,
    )
