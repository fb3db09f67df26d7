"""`python -m limosa_sandbox`: the platform on this machine, until it is told to stop.

Exit status: 0 stopped in order, 1 a part did not come up, 2 wrong arguments, 3 the home is in use.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import uvloop

from limosa_model.quantity import parse_quantity
from limosa_sandbox.settings import SandboxSettings
from limosa_sandbox.supervisor.home import Home, HomeInUse, HomeLock
from limosa_sandbox.supervisor.sandbox import Sandbox


def main() -> int:
    """Runs one sandbox; returns the exit status."""
    settings = _parse(sys.argv[1:])
    home = Home(settings.home)
    home.make()
    try:
        lock = HomeLock(home)
    except HomeInUse as error:
        sys.stderr.write(f"limosa_sandbox: {error}\n")
        return 3
    log = logging.FileHandler(home.logs / "sandbox.log")
    handlers: list[logging.Handler] = [log]
    if sys.stderr.isatty():
        handlers.append(logging.StreamHandler())
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", handlers=handlers
    )
    try:
        return uvloop.run(_run(settings))
    finally:
        lock.release()


async def _run(settings: SandboxSettings) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    sandbox = Sandbox(settings, dict(os.environ))
    stopping = asyncio.ensure_future(stopped.wait())
    error = ""
    try:
        if await _first(stopping, asyncio.ensure_future(sandbox.start())):
            # Objects of the cluster live long: collecting over them again and again would only cost time.
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            guard = asyncio.ensure_future(sandbox.guard())
            if await _first(stopping, guard):
                error = guard.result()
    except Exception as failure:
        # Whatever it was, the state file tells it and no part is left running.
        error = str(failure) or type(failure).__name__
        logging.getLogger(__name__).exception("the sandbox did not come up")
        sys.stderr.write(f"limosa_sandbox: {error}\n")
    finally:
        stopping.cancel()
        await sandbox.stop(error)
    return 1 if error else 0


async def _first(stopping: "asyncio.Future[Any]", work: "asyncio.Future[Any]") -> bool:
    """Returns whether `work` ended before it was time to stop; else cancels it. Raises what it raised."""
    await asyncio.wait((stopping, work), return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        await work
        return True
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return False


def _parse(arguments: list[str]) -> SandboxSettings:
    parser = argparse.ArgumentParser(
        prog="python -m limosa_sandbox",
        description="Runs the whole platform on this machine: cluster, Postgres, object store, admin, operator.",
    )
    home = os.environ.get("LIMOSA_HOME") or "~/.limosa"
    parser.add_argument(
        "--home", default=home, help="directory of everything it keeps (LIMOSA_HOME, else ~/.limosa)"
    )
    parser.add_argument("--cpus", type=_quantity, help="cores to offer to pods, such as 4 (default: all)")
    parser.add_argument(
        "--memory", type=_quantity, help="memory to offer to pods, such as 8Gi (default: most)"
    )
    parser.add_argument("--gpus", type=int, help="GPUs to offer to pods (default: those found)")
    given = parser.parse_args(arguments)
    if given.gpus is not None and given.gpus < 0:
        parser.error("--gpus must be 0 or more")
    return SandboxSettings(
        home=Path(given.home).expanduser().absolute(),
        cpus=given.cpus,
        memory=None if given.memory is None else int(given.memory),
        gpus=given.gpus,
    )


def _quantity(text: str) -> Fraction:
    value = parse_quantity(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be more than nothing")
    return value


if __name__ == "__main__":
    sys.exit(main())
