"""Whether this environment has what tasks declare: local runs use it as it is."""

import importlib.metadata
import sys
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement

from limosa.errors import LimosaError
from limosa.packages.declaration import Declared
from limosa.packages.requirement_files import requirements_of


def check_environment(declared: Iterable[Declared]) -> None:
    """Refuses a local run whose tasks would not find what they declare.

    Raises:
        LimosaError: A package is missing here, or has a version that does not fit; names the task and the remedy.
    """
    for one in declared:
        wrong = [told for text in requirements_of(one) if (told := _wrong(text))]
        if wrong:
            raise _unmet(one, wrong)


def _wrong(text: str) -> str:
    """What is the matter with one requirement here; empty where nothing is, or nothing can be told."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return ""  # a path or URL of a wheel
    if requirement.marker is not None and not requirement.marker.evaluate():
        return ""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement} is not installed here"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement} is wanted, {version} is installed here"


def _unmet(declared: Declared, wrong: list[str]) -> LimosaError:
    given = declared.packages
    if given.is_uv_lock:
        remedy = f"uv sync, in the folder of {given.file}"
    elif given.file:
        remedy = f"pip install -r {given.file}"
    else:
        remedy = "pip install " + " ".join(f"'{one}'" for one in given.requirements)
    told = "; ".join(wrong)
    return declared.error(
        "PackagesMissing",
        f"{told} ({sys.executable})",
        f"a local run uses this Python: {remedy}; or run it with --remote, where pods get them",
    )
