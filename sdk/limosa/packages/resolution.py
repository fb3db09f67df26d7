"""From what a task declares to a lock: uv resolves, for the platform of the pods, to wheels alone."""

import contextlib
import hashlib
import json
import os
import platform as this_platform
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from limosa.kept_folder import make_kept
from limosa.packages.declaration import Declared
from limosa.packages.lock import PackageLock, Wheel
from limosa.packages.requirement_files import listed, stamps_of, text_of
from limosa.packages.uv import run_uv

KEPT = Path(".limosa", "locks")
"""Below a source root: locks of earlier resolutions, so that the same declaration stays the same packages."""
_HASH = re.compile(r"--hash[= ]sha256:([0-9a-f]{64})")
_MANYLINUX = {"manylinux2014_": "2_17", "manylinux2010_": "2_12", "manylinux1_": "2_5"}
"""The C library's version behind older names of platforms."""
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


class Resolved(NamedTuple):
    """A lock, and where its wheels can be had."""

    lock: PackageLock
    sources: Mapping[str, str]
    """URL (https or file) of each wheel by its sha256."""
    declared: Declared
    """What it was resolved from; of several tasks with the same packages one."""


def resolve(declared: Iterable[Declared]) -> dict[str, Resolved]:
    """The locks of declarations, by their keys.

    What was resolved before below the same source root is taken from there, as long as the requirements, the files they
    stand in, Python, platform and the wheels at hand are the same.

    Raises:
        LimosaError: uv is not there or found no solution; names the task, its place and the remedy.
    """
    found: dict[str, Resolved] = {}
    for one in declared:
        if one.key not in found:
            found[one.key] = _resolve(one)
    return found


def default_platform() -> str:
    """Linux on this machine's kind of processor, as uv names it."""
    machine = this_platform.machine().lower()
    return f"{_ARCHITECTURES.get(machine, machine)}-manylinux_2_28"


def _resolve(declared: Declared) -> Resolved:
    given = declared.packages
    python = given.python or f"{sys.version_info.major}.{sys.version_info.minor}"
    platform = given.platform or default_platform()
    links = tuple(link if "://" in link else declared.path(link) for link in given.find_links)
    wanted = json.dumps(
        [text_of(declared), python, platform, links, stamps_of(links), stamps_of(listed(declared))]
    )
    kept = Path(declared.root, KEPT, f"{_sha256(wanted)}.json")
    known = _read_kept(kept, declared)
    if known is not None:
        return known
    made = _ask_uv(declared, python, platform, links)
    _keep(made, kept)
    return made


def _keep(made: Resolved, path: Path) -> None:
    """For the next time; a project that cannot be written is resolved each time."""
    content = {"lock": made.lock.text().decode(), "sources": dict(made.sources)}
    draft = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        make_kept(path.parent)
        draft.write_text(json.dumps(content, indent=1))
        draft.replace(path)


def _read_kept(path: Path, declared: Declared) -> Resolved | None:
    try:
        content = json.loads(path.read_text())
        return Resolved(PackageLock.parse(content["lock"]), dict(content["sources"]), declared)
    except (OSError, ValueError, KeyError, TypeError):
        # Not there, or not ours: it is made anew.
        return None


def _ask_uv(declared: Declared, python: str, platform: str, links: tuple[str, ...]) -> Resolved:
    given = declared.packages
    with tempfile.TemporaryDirectory(prefix="limosa-packages-") as scratch:
        folder = declared.folder
        source = os.path.join(scratch, "requirements.in")
        if given.is_uv_lock:
            folder = os.path.dirname(declared.path(given.file))
            export = ["export", "--quiet", "--frozen", "--no-dev", "--no-emit-workspace", "--no-header"]
            Path(source).write_text(run_uv(declared, export, folder))
        elif given.file:
            source = declared.path(given.file)
        else:
            Path(source).write_text("\n".join(listed(declared)) + "\n")
        target = [
            "--python",
            sys.executable,
            "--python-version",
            python,
            "--python-platform",
            platform,
            "--only-binary",
            ":all:",
        ]
        finding = [word for link in links for word in ("--find-links", link)]
        answer = run_uv(
            declared,
            [
                "pip",
                "compile",
                "--quiet",
                "--no-header",
                "--format",
                "pylock.toml",
                *target,
                *finding,
                source,
            ],
            folder,
        )
        pinned = set(_HASH.findall(Path(source).read_text()))
    sources: dict[str, str] = {}
    wheels = []
    for package in _packages(answer):
        wheel, sources[wheel.sha256] = _wheel_of(package, declared, folder)
        if pinned and wheel.sha256 not in pinned:
            told = (
                f"{wheel.file} has the sha256 {wheel.sha256}, which is none of those that {given.file} allows"
            )
            raise declared.error("PackageHash", told, "lock again, or look at what the index gives")
        wheels.append(wheel)
    wheels.sort()
    return Resolved(PackageLock(python, platform, tuple(wheels)), sources, declared)


def _packages(pylock: str) -> list[dict[str, Any]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found: list[dict[str, Any]] = tomllib.loads(pylock).get("packages", [])
    return found


def _wheel_of(package: dict[str, Any], declared: Declared, folder: str) -> tuple[Wheel, str]:
    """The wheel to take of those that fit, and its address."""
    name = package["name"]
    candidates = [
        one
        for one in (*package.get("wheels", ()), package.get("archive", {}))
        if _file_of(one).endswith(".whl")
    ]
    if not candidates:
        remedy = (
            'build a wheel of it (uv build --wheel) and name its folder with Packages(…, find_links="wheels")'
        )
        raise declared.error("PackageNoWheel", f"{name} is no wheel, but what one is built from", remedy)
    best = max(candidates, key=lambda one: _rank(_file_of(one)))
    digest = best.get("hashes", {}).get("sha256")
    if not digest:
        told = f"the index tells no sha256 of {_file_of(best)}"
        raise declared.error(
            "PackageHash", told, "take it from an index that does, or from a folder with find_links"
        )
    file = _file_of(best)
    version = package.get("version") or file.split("-")[1]
    address = best.get("url") or Path(folder, best["path"]).resolve().as_uri()
    return Wheel(name, version, file, digest), address


def _file_of(candidate: Mapping[str, Any]) -> str:
    given = candidate.get("name") or candidate.get("path") or urlsplit(candidate.get("url", "")).path
    return unquote(os.path.basename(given))


def _rank(file: str) -> tuple[Any, ...]:
    """Greater for wheels made more closely for the platform, all of which fit: as installers choose."""
    from packaging.utils import parse_wheel_filename

    _, _, build, tags = parse_wheel_filename(file)
    return max(_closeness(tag.interpreter, tag.abi, tag.platform) for tag in tags), build


def _closeness(interpreter: str, abi: str, platform: str) -> tuple[Any, ...]:
    for old, version in _MANYLINUX.items():
        platform = platform.replace(old, f"manylinux_{version}_", 1)
    numbers = [[int(number) for number in re.findall(r"\d+", text)] for text in (interpreter, platform)]
    return interpreter.startswith("cp"), abi != "abi3", numbers[0], platform != "any", numbers[1]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
