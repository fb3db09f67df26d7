"""An interpreter whose runtime reports to the referee."""

import sys
import sysconfig
import venv
from pathlib import Path

DOUBLE = Path(__file__).parent / "double"


def make_double(folder: Path) -> Path:
    """Makes an interpreter with this one's packages and the stand-in for the runtime; gives its path."""
    venv.EnvBuilder(symlinks=True).create(folder)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    lines = [
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})",
        str(DOUBLE),
        "import referee_double",
    ]
    (packages / "double.pth").write_text("\n".join(lines) + "\n")
    return folder / "bin" / "python"
