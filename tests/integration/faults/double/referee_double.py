"""The runtime's stand-in for tests: tells the referee what a launch does, and can be crippled on purpose.

An interpreter that the tests make loads it at its start, so that the product's code needs to know of no referee.
Where REFEREE is not set it changes nothing.
"""

import json
import os
import socket
from typing import Any

from limosa.runtime.commit import CommitSlot
from limosa.runtime.outcome import Committed

NO_START_CHECK, UNCONDITIONAL_COMMIT = "no-start-check", "unconditional-commit"

_init, _read, _put = CommitSlot.__init__, CommitSlot.read, CommitSlot._put


def started() -> None:
    """The author's function begins; called by itself."""
    _report("STARTED")


def launch() -> int:
    """Ordinal of this launch."""
    return int(_identity()["launch"])


def _report(what: str) -> None:
    host, _, port = os.environ["REFEREE"].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(json.dumps({**_identity(), "what": what}).encode() + b"\n")
        if connection.recv(1) != b"+":
            raise ConnectionError("the referee did not note it")


def _identity() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(os.environ["REFEREE_LAUNCH"])
    return found


def _remember(self: CommitSlot, store: Any, pod: Any, prefix: str, version: str) -> None:
    if os.environ.get("REFEREE_CRIPPLED") == UNCONDITIONAL_COMMIT:
        store = _Overwriting(store)
    _init(self, store, pod, prefix, version)
    self.referee_first_process = os.getpid()  # type: ignore[attr-defined]
    names = ("run_uid", "node_path", "index", "launch", "launch_id", "epoch")
    os.environ["REFEREE_LAUNCH"] = json.dumps({name: getattr(pod, name) for name in names})


def _checked(self: CommitSlot) -> Any:
    # The container's first process reads too, to tell of a result: that is no start check.
    first_process = self.referee_first_process == os.getpid()  # type: ignore[attr-defined]
    if "REFEREE" not in os.environ or first_process or hasattr(self, "referee_told"):
        return _read(self)
    # Told before the read: what is committed by now, this check must see.
    self.referee_told = True  # type: ignore[attr-defined]
    _report("CHECKED")
    return None if os.environ.get("REFEREE_CRIPPLED") == NO_START_CHECK else _read(self)


def _committed(self: CommitSlot, commit: Any, outputs: Any) -> Any:
    outcome = _put(self, commit, outputs)
    if "REFEREE" in os.environ and isinstance(outcome, Committed):
        _report("COMMITTED")
    return outcome


class _Overwriting:
    """A store whose conditional writes are not."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._store.put(key, data)
        return True


CommitSlot.__init__ = _remember  # type: ignore[method-assign]
CommitSlot.read = _checked  # type: ignore[method-assign]
CommitSlot._put = _committed  # type: ignore[method-assign]

if os.environ.get("REFEREE_OPERATOR"):
    import referee_operator  # noqa: F401
