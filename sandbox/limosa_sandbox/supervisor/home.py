"""The directory of one sandbox: what lies where, and who may use it at a time."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path


class HomeInUse(RuntimeError):
    """Another sandbox runs on this home; the message names its process."""


@dataclass(frozen=True)
class Home:
    """Paths below one home directory."""

    root: Path

    @property
    def state(self) -> Path:
        """The state file, see `limosa_sandbox.supervisor.state`."""
        return self.root / "state.json"

    @property
    def kubeconfig(self) -> Path:
        """For kubectl and the operator."""
        return self.root / "kubeconfig"

    @property
    def secrets(self) -> Path:
        """Generated credentials and the files made of them."""
        return self.root / "secrets"

    @property
    def ports(self) -> Path:
        """The ports chosen at the first start."""
        return self.root / "ports.json"

    @property
    def objects(self) -> Path:
        """One directory per bucket."""
        return self.root / "objects"

    @property
    def postgres(self) -> Path:
        """Postgres' data."""
        return self.root / "postgres"

    @property
    def cluster(self) -> Path:
        """Kubernetes objects."""
        return self.root / "cluster"

    @property
    def node(self) -> Path:
        """Pods' files."""
        return self.root / "node"

    @property
    def packages(self) -> Path:
        """Packages of tasks, unpacked, for all pods."""
        return self.root / "packages"

    @property
    def logs(self) -> Path:
        """One file per part."""
        return self.root / "logs"

    def make(self) -> None:
        """Makes the directories, closed to other users."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        private = (
            self.secrets,
            self.objects,
            self.postgres,
            self.cluster,
            self.node,
            self.packages,
            self.logs,
        )
        for path in private:
            path.mkdir(mode=0o700, exist_ok=True)


class HomeLock:
    """Holds a home for one process; the kernel lets go when the process ends, however it ends."""

    def __init__(self, home: Home) -> None:
        self._file = os.open(home.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode().strip() or "unknown"
            os.close(self._file)
            raise HomeInUse(
                f"a sandbox already runs on {home.root} (process {holder}); stop it with `limosa demo stop`, "
                "or give another directory with LIMOSA_HOME"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Lets another process use the home."""
        os.close(self._file)
