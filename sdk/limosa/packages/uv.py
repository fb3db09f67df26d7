"""Running uv, and what its refusals mean for an author."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence

from limosa.packages.declaration import Declared

TIMEOUT_S = 600
_CAUSES = (
    (
        re.compile(
            r"not found in the package registry|not found in the provided package locations|no version of"
        ),
        "PackageUnknown",
        "look at its name and version; where it is on an index of your own, name that in uv.toml or UV_INDEX",
    ),
    (
        re.compile(
            r"no usable wheels|no wheels with a matching|are only available as sdist|building from source"
        ),
        "PackageNoWheel",
        "pods take wheels: declare a version or platform that has one, or build it yourself (uv build --wheel) and name "
        'its folder with Packages(…, find_links="wheels")',
    ),
    (
        re.compile(
            r"Failed to fetch|error sending request|client error|dns error|timed out|not found in the cache|Git operation"
        ),
        "PackageIndex",
        "look at the network and at the index that uv is told (uv.toml, UV_INDEX, proxies); "
        'wheels in a folder need none: Packages(…, find_links="wheels")',
    ),
    (
        re.compile(r"40[13] |Unauthorized|Forbidden|Missing credentials"),
        "PackageIndex",
        "give uv the credentials of the index: UV_INDEX_<NAME>_USERNAME and …_PASSWORD, or ~/.netrc",
    ),
    (
        re.compile(r"Couldn't parse|Distribution not found"),
        "PackageRequirement",
        'write requirements as for pip, such as "xgboost==2.1.4"',
    ),
    (
        re.compile(r"unexpected argument|invalid value '(pylock|[\w-]+manylinux)"),
        "UvTooOld",
        "pip install -U uv",
    ),
    (
        re.compile(r"unsatisfiable"),
        "PackageConflict",
        "loosen one of the versions that are named",
    ),
)
"""In the order in which they are looked for: uv tells the last of them beside most of the others."""


def run_uv(declared: Declared, arguments: Sequence[str], folder: str) -> str:
    """Runs uv in a folder; gives what it printed. Raises LimosaError naming the task and the remedy."""
    command = [_find_uv(declared), *arguments, "--no-progress", "--color", "never", "--no-python-downloads"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        remedy = "look at the network, then try again"
        raise declared.error("PackageIndex", f"uv gave no answer in {TIMEOUT_S} seconds", remedy) from error
    except OSError as error:
        raise declared.error(
            "UvMissing", f"{command[0]} cannot be started: {error}", "pip install uv"
        ) from error
    if done.returncode:
        code, remedy = _cause(done.stderr)
        raise declared.error(code, _told(done.stderr), remedy)
    return done.stdout


def _find_uv(declared: Declared) -> str:
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    with contextlib.suppress(ImportError):
        from uv import find_uv_bin

        with contextlib.suppress(FileNotFoundError):
            return str(find_uv_bin())
    found = shutil.which(beside) or shutil.which("uv")
    if found is None:
        raise declared.error("UvMissing", "uv, which resolves them, is not installed here", "pip install uv")
    return found


def _cause(stderr: str) -> tuple[str, str]:
    text = " ".join(stderr.split())
    for pattern, code, remedy in _CAUSES:
        if pattern.search(text):
            return code, remedy
    return "PackagesUnresolved", "uv's words are above; try them with `uv pip compile`"


def _told(stderr: str) -> str:
    """What uv says, without its warnings and its hints at flags that an author does not give."""
    parts: list[str] = []
    for line in stderr.splitlines():
        if re.match(r"(warning|error|hint|\s*cause):", line):
            parts.append(line.strip())
        elif parts and line.strip():
            parts[-1] += f" {line.strip()}"
    kept = [part for part in parts if not part.startswith(("warning:", "hint: Wheels are required"))]
    told = dict.fromkeys(re.sub("^(error|cause): ?", "", part) for part in kept)
    return "\n".join(told) or stderr.strip() or "uv failed without a word"
