"""Running Postgres where the sandbox runs as root, which Postgres refuses.

It becomes the user `nobody`, and keeps on Linux the one capability that lets it pass through directories
that only root may enter (a home below `/root`, an environment there). The directories stay as they are.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT = 1, 8, 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True)
class Identity:
    """Whom Postgres runs as: None for ourselves."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Gives a directory and all in it to the user."""
        if self.uid is None or self.gid is None:
            return
        os.chown(path, self.uid, self.gid)
        for parent, folders, files in os.walk(path):
            for name in folders + files:
                os.chown(os.path.join(parent, name), self.uid, self.gid, follow_symlinks=False)

    def prepare(self, death_signal: int = 0) -> Callable[[], None]:
        """Returns what a child does between fork and exec: take the identity, and end with its parent.

        Args:
            death_signal: sent to the child when the thread that started it ends (Linux); 0: none.
        """
        libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        uid, gid = self.uid, self.gid

        def become() -> None:
            if uid is not None and gid is not None:
                if libc:
                    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
                    # Else access(2), by which initdb looks for its programs, would not count the capability.
                    libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
                os.setgroups([])
                os.setresgid(gid, gid, gid) if hasattr(os, "setresgid") else os.setgid(gid)
                os.setresuid(uid, uid, uid) if hasattr(os, "setresuid") else os.setuid(uid)
                if libc:
                    _keep_search(libc)
            if libc and death_signal:
                libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)

        return become


OURSELVES = Identity()


def choose_identity() -> Identity:
    """Returns `nobody` for root, and ourselves for everybody else."""
    if os.geteuid() != 0:
        return OURSELVES
    entry = pwd.getpwnam("nobody")
    return Identity(entry.pw_uid, entry.pw_gid)


def _keep_search(libc: ctypes.CDLL) -> None:
    """Keeps CAP_DAC_READ_SEARCH over exec; without it (a container without it) plain permissions decide."""
    mask = 1 << _CAP_DAC_READ_SEARCH
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if libc.capset(header, data) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH, 0, 0)


STOP_SIGNAL = signal.SIGINT
"""Postgres' fast shutdown: sessions are ended, a checkpoint is written."""
