"""An operator that dies (kill -9) when it first ends a launch, its status writes being slow until then.

With REFEREE_OPERATOR=hasty it is crippled too: it deletes pods before the status that holds their outcome.
REFEREE_OPERATOR_DIED names a file that tells that it has died already.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from limosa_engine.commands import DeletePod
from limosa_propeller.runs.driver import RunDriver

HASTY, SOUND = "hasty", "sound"

_SLOW_S = 60.0
_mode = os.environ["REFEREE_OPERATOR"]
_died = Path(os.environ["REFEREE_OPERATOR_DIED"])
_send, _dispatch = RunDriver._send, RunDriver._dispatch


async def _slowly(self: RunDriver, status: bytes) -> None:
    if not _died.exists():
        await asyncio.sleep(_SLOW_S)
    await _send(self, status)


def _deadly(self: RunDriver, command: Any) -> bool:
    if isinstance(command, DeletePod) and not _died.exists():
        self._spawn(_die(self, command))
        return False
    return _dispatch(self, command)


async def _die(driver: RunDriver, command: DeletePod) -> None:
    if _mode == HASTY:
        await driver._carry_out(command)
    _died.touch()
    os.kill(os.getpid(), signal.SIGKILL)


RunDriver._send = _slowly  # type: ignore[method-assign]
RunDriver._dispatch = _deadly  # type: ignore[method-assign]
