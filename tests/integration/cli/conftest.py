import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LIMOSA = [sys.executable, "-c", "from limosa.cli.main import main; main()"]


@dataclasses.dataclass
class Result:
    status: int
    out: str
    err: str


class Shell:
    """A person's terminal: own home, own configuration, own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.work = folder / "work"
        self.work.mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LIMOSA_")}
        self.environ = {
            **kept,
            "LIMOSA_HOME": str(self.home),
            "LIMOSA_CONFIG": str(folder / "config.toml"),
            "COLUMNS": "120",
        }

    def limosa(self, *arguments, cwd=None, env=None, stdin=None) -> Result:
        done = subprocess.run(
            [*LIMOSA, *arguments],
            cwd=cwd or self.work,
            env={**self.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def begin(self, *arguments) -> subprocess.Popen:
        return subprocess.Popen(
            [*LIMOSA, *arguments],
            cwd=self.work,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            # A suite started in a shell's background inherits SIGINT ignored; a person's terminal does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A terminal beside a running platform."""
    made = Shell(tmp_path_factory.mktemp("cli"))
    started = made.limosa("demo", "start")
    try:
        assert started.status == 0, started.err
        yield made
    finally:
        stopped = made.limosa("demo", "reset", "--yes")
        assert stopped.status == 0, stopped.err
        assert not made.home.exists()
