"""The example that `limosa demo` runs: real data, a map, a branch, a model."""

import shutil
from pathlib import Path

import limosa
from limosa.errors import LimosaError

NAME = "house_prices"
_IGNORED = shutil.ignore_patterns("__pycache__", ".limosa", ".*_cache")


def write_example(home: Path) -> list[str]:
    """Puts the example into the platform's home, where a person may change it; an existing one stays as it is.

    Returns:
        What follows `limosa run --remote`: the file, its workflow, its inputs.

    Raises:
        LimosaError: The home cannot be written.
    """
    folder = home / "example"
    if not (folder / f"{NAME}.py").exists():
        try:
            shutil.copytree(_source(), folder, ignore=_IGNORED, dirs_exist_ok=True)
        except OSError as error:
            message = f"the example cannot be written: {error}"
            raise LimosaError("LocalFile", message, str(folder)) from error
    return [str(folder / f"{NAME}.py"), NAME, "--houses", str(folder / "data" / "windsor.csv")]


def _source() -> Path:
    """The example's folder: inside the installed package, or in the checkout that an editable install points to."""
    package = Path(limosa.__file__).resolve().parent
    installed = package / "examples" / NAME
    return installed if installed.is_dir() else package.parents[1] / "examples" / NAME
