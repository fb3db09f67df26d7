"""What all tests share."""

import gc
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

# A test that takes long on a busy machine is not wrong; no test judges by the clock.
settings.register_profile("no-clock", deadline=None)
settings.load_profile("no-clock")

Holdings = dict[str, int]
"""How many objects of a class there are, by its name, and how many entries their collections have, by class and attribute."""


@pytest.fixture
def holdings() -> Callable[[str], Holdings]:
    """Tells what a package holds in memory now: what came and went must leave it as it was."""
    return _holdings


def _holdings(package: str) -> Holdings:
    found: Counter[str] = Counter()
    for one in gc.get_objects():
        kind = type(one)
        if str(kind.__module__).startswith(package):
            found[kind.__qualname__] += 1
            for name, value in _attributes(one):
                if isinstance(value, dict | set | list | deque):
                    found[f"{kind.__qualname__}.{name}"] += len(value)
    # What is there and empty is as good as not there.
    return {name: number for name, number in found.items() if number}


def _attributes(one: object) -> Iterator[tuple[str, object]]:
    yield from getattr(one, "__dict__", {}).items()
    for kind in type(one).__mro__:
        for name in getattr(kind, "__slots__", ()):
            yield name, getattr(one, name, None)


@pytest.fixture(scope="session")
def make_wheel() -> Callable[..., Path]:
    """Writes a small wheel: into a folder, of a name, a version and a module's text; gives its path."""
    return _wheel


def _wheel(
    folder: Path,
    name: str,
    version: str,
    source: str,
    *,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    more: Mapping[str, str] | None = None,
) -> Path:
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}/__init__.py": source,
        **(more or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            # The same moment in every wheel: equal content, equal bytes.
            archive.writestr(zipfile.ZipInfo(file), text)
    return path
