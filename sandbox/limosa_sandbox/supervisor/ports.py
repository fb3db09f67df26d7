"""The ports of one sandbox: chosen once, and used again while they are free, so that contexts stay valid."""

import json
import random
import socket
from contextlib import ExitStack
from pathlib import Path

from limosa_sandbox.supervisor.state import write_private

NAMES = ("postgres", "storage", "kubernetes", "admin_grpc", "admin_http", "operator_health")
# Below the ports that systems hand out to outgoing connections, which come and go.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 200


def choose_ports(path: Path) -> dict[str, int]:
    """Returns a free port for each name, the kept one where it is free; keeps the choice.

    Raises:
        OSError: when no free port was found.
    """
    kept = json.loads(path.read_text()) if path.exists() else {}
    chosen: dict[str, int] = {}
    # Held until all are chosen, so that none is given twice.
    with ExitStack() as held:
        for name in NAMES:
            wanted = [int(kept[name])] if name in kept else []
            chosen[name] = _take(held, wanted)
    if chosen != kept:
        write_private(path, json.dumps(chosen) + "\n")
    return chosen


def _take(held: ExitStack, wanted: list[int]) -> int:
    chance = random.SystemRandom()
    for port in wanted + [chance.randrange(_FIRST, _LAST) for _ in range(_TRIES)]:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # A port whose last connections only wait to time out is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(1)
        except OSError:
            listener.close()
            continue
        held.enter_context(listener)
        return port
    raise OSError(f"no free TCP port between {_FIRST} and {_LAST} on 127.0.0.1 after {_TRIES} tries")
