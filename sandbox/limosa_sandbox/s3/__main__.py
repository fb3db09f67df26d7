"""The endpoint as a process: `python -m limosa_sandbox.s3 --root DIR --credentials FILE`.

Prints one JSON line with its URL once it serves, and ends on SIGTERM, SIGINT, or when its standard input
closes if `--until-eof` is given, so that it never outlives the process that started it.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

from limosa_sandbox.s3.server import serve
from limosa_sandbox.s3.settings import S3Settings, read_credentials


def main() -> int:
    """Runs the endpoint; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m limosa_sandbox.s3", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="directory of the buckets")
    parser.add_argument("--credentials", type=Path, required=True, help="JSON list of access keys")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--bucket", action="append", default=[], help="bucket to create where it is absent")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for name in options.bucket:
        (options.root / name).mkdir(parents=True, exist_ok=True)
    settings = S3Settings(options.root, read_credentials(options.credentials), options.host, options.port)
    asyncio.run(_run(settings, until_eof=options.until_eof))
    return 0


async def _run(settings: S3Settings, *, until_eof: bool) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), _read_stdin, stopped)
    server = await serve(settings)
    print(json.dumps({"url": server.url}), flush=True)
    await stopped.wait()
    await server.close()


def _read_stdin(stopped: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        stopped.set()


if __name__ == "__main__":
    sys.exit(main())
