"""Reading files of requirements: what they ask for, and all text that decides it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from limosa.config.toml import read_toml
from limosa.packages.declaration import Declared

_INCLUDES = ("-r", "--requirement")
_CONSTRAINS = ("-c", "--constraint")


def text_of(declared: Declared) -> str:
    """Everything a resolution depends on, as text: the requirements, and the files that they name."""
    given = declared.packages
    if not given.file:
        return "\n".join(given.requirements)
    path = declared.path(given.file)
    return "\n".join(_read(declared, Path(path), set(), _INCLUDES + _CONSTRAINS))


def requirements_of(declared: Declared) -> list[str]:
    """The requirements themselves, as pip reads them; of a uv.lock, what the project depends on, at its locked versions."""
    given = declared.packages
    if not given.file:
        return list(given.requirements)
    path = Path(declared.path(given.file))
    if given.is_uv_lock:
        return _locked(read_toml(path))
    lines = [line for text in _read(declared, path, set(), _INCLUDES) for line in _lines(text)]
    return [line.partition(" --hash")[0].strip() for line in lines if not line.startswith("-")]


def _read(declared: Declared, path: Path, seen: set[Path], options: tuple[str, ...]) -> list[str]:
    """The text of a file, and of those it names with one of the options."""
    if path in seen:
        return []
    seen.add(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise declared.error("PackagesFile", f"cannot read {path}: {error}", "correct the file") from error
    found = [text]
    for line in _lines(text):
        option, _, name = line.replace("=", " ", 1).partition(" ")
        if option in options and "://" not in name:
            found += _read(declared, path.parent / name.strip(), seen, options)
    return found


def _lines(text: str) -> list[str]:
    """Logical lines without comments."""
    joined = text.replace("\\\n", " ")
    lines = (line.partition(" #")[0].strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _locked(lock: dict[str, Any]) -> list[str]:
    versions = {one["name"]: one["version"] for one in lock.get("package", ()) if "version" in one}
    wanted = []
    for package in lock.get("package", ()):
        source = package.get("source", {})
        if source.get("virtual") == "." or source.get("editable") == ".":
            for one in package.get("dependencies", ()):
                marker = f" ; {one['marker']}" if "marker" in one else ""
                exact = f"=={versions[one['name']]}" if one["name"] in versions else ""
                wanted.append(f"{one['name']}{exact}{marker}")
    return wanted


def listed(declared: Declared) -> list[str]:
    """The requirements of a list, wheels on this machine by their absolute paths; empty where a file has them."""
    given = declared.packages
    if given.file:
        return []
    return [
        declared.path(one) if one.endswith(".whl") and "://" not in one else one for one in given.requirements
    ]


def stamps_of(paths: Iterable[str]) -> list[str]:
    """What changes when a wheel at one of the paths, or in a folder there, does."""
    found = []
    for path in paths:
        wheels = (
            [os.path.join(path, name) for name in sorted(os.listdir(path))] if os.path.isdir(path) else [path]
        )
        for wheel in wheels:
            if os.path.isfile(wheel):
                status = os.stat(wheel)
                found.append(f"{wheel} {status.st_size} {status.st_mtime_ns}")
    return found
