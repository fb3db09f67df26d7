"""`.limosa` below a source root: what this machine keeps of runs and locks, and git does not."""

from pathlib import Path

KEPT = ".limosa"


def make_kept(path: Path) -> None:
    """Makes a folder with those above it; of a `.limosa` among them git sees nothing. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True)
    for folder in (path, *path.parents):
        ignored = folder / ".gitignore"
        if folder.name == KEPT and not ignored.exists():
            ignored.write_text("*\n")
