"""``python -m limosa_sandbox.cluster``: the API server alone, as a process of its own.

Prints one JSON line with ``url``, ``kubeconfig`` and ``pid`` when it is ready, and runs until it is told to stop.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path

import orjson
import uvloop

from limosa_sandbox.cluster.instant import run_instant_pods
from limosa_sandbox.cluster.journal import JournalError
from limosa_sandbox.cluster.logs import NoLogs
from limosa_sandbox.cluster.server import serve
from limosa_sandbox.cluster.storage import Storage


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m limosa_sandbox.cluster", description="A Kubernetes API server without a node."
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: any free one)")
    parser.add_argument(
        "--data", type=Path, help="directory that keeps the objects (default: kept in memory only)"
    )
    parser.add_argument(
        "--token-file", type=Path, help="file with the bearer token; written when it does not exist"
    )
    parser.add_argument(
        "--kubeconfig",
        type=Path,
        help="where to write a kubeconfig (default: next to the token file or the data)",
    )
    parser.add_argument(
        "--instant-pods", action="store_true", help="let every pod run and succeed at once, for measurements"
    )
    return parser.parse_args()


def _token(path: Path | None) -> str:
    if path is None:
        return secrets.token_urlsafe(32)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii").strip()


def _kubeconfig_path(arguments: argparse.Namespace) -> Path:
    if arguments.kubeconfig:
        return Path(arguments.kubeconfig)
    if arguments.token_file:
        return Path(arguments.token_file).parent / "kubeconfig"
    return Path(arguments.data or tempfile.mkdtemp(prefix="limosa-cluster-")) / "kubeconfig"


async def _run(arguments: argparse.Namespace) -> None:
    storage = Storage(arguments.data)
    server = await serve(storage, NoLogs(), port=arguments.port, token=_token(arguments.token_file))
    node = asyncio.ensure_future(run_instant_pods(storage)) if arguments.instant_pods else None
    path = _kubeconfig_path(arguments)
    server.write_kubeconfig(path)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    # Objects live long and form no cycles: collecting over them again and again would only cost time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    ready = {"url": server.url, "kubeconfig": str(path), "pid": os.getpid()}
    sys.stdout.write(orjson.dumps(ready).decode() + "\n")
    sys.stdout.flush()
    waiting = [asyncio.ensure_future(stopped.wait()), *([node] if node else [])]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        if not task.cancel() and not task.cancelled():
            task.result()
    await server.close()
    storage.close()


def main() -> int:
    """Run the server; return the process's exit status."""
    arguments = _arguments()
    try:
        uvloop.run(_run(arguments))
    except (JournalError, OSError) as error:
        sys.stderr.write(f"limosa_sandbox.cluster: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
