"""Projects to begin with, as files to copy.

What belongs here: one folder per template, each file named as it will be with ".template" after it. What does not:
anything that is imported.
"""

import importlib.resources
from pathlib import Path

from limosa.errors import LimosaError

_SUFFIX = ".template"


def template_names() -> list[str]:
    """The templates there are."""
    found = importlib.resources.files(__name__).iterdir()
    return sorted(entry.name for entry in found if entry.is_dir() and not entry.name.startswith("_"))


def write_template(name: str, directory: Path) -> list[Path]:
    """Copies a template into a directory; gives the files written.

    Raises:
        LimosaError: A file is there already (then nothing was written), or the directory cannot be written.
    """
    source = importlib.resources.files(__name__) / name
    project = _project_name(directory)
    files = {}
    for entry in source.iterdir():
        if entry.name.endswith(_SUFFIX):
            text = entry.read_text(encoding="utf-8")
            files[directory / entry.name.removesuffix(_SUFFIX)] = text.replace("{{project}}", project)
    existing = sorted(path for path in files if path.exists())
    if existing:
        raise LimosaError(
            code="FileExists",
            message=f"it holds {', '.join(path.name for path in existing)} already; nothing was written",
            place=str(directory),
            remedy="name another directory",
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot write there: {error.strerror or error}"
        raise LimosaError(code="LocalFile", message=message, place=str(directory)) from error
    return sorted(files)


def _project_name(directory: Path) -> str:
    letters = [
        letter if letter.isalnum() and letter.isascii() else "-"
        for letter in directory.absolute().name.lower()
    ]
    return "".join(letters).strip("-") or "workflows"
