"""Whom a signal reaches while kopf watches."""

import asyncio
import os
import signal

from propeller_rig import RUNS_PATH, Cluster, chain, local_run

from limosa_model.values import integer
from limosa_propeller.kube.connection import Connection
from limosa_propeller.settings import OperatorSettings
from limosa_propeller.watching import watch

LIMIT_SECONDS = 60
"""Only ends a test that would hang."""


async def nothing() -> None:
    pass


async def test_a_signal_is_the_callers_during_and_after_a_watch(still_cluster: Cluster) -> None:
    """kopf keeps what it takes: a signal between two watches would go to the one that has ended, and be lost."""
    still_cluster.call("POST", RUNS_PATH, local_run("r0", chain(1), {"x": integer(1)}))
    loop = asyncio.get_running_loop()
    heard, seen, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
    connection = Connection(str(still_cluster.kubeconfig))
    watching = asyncio.create_task(
        watch(
            OperatorSettings(),
            connection,
            runs="",
            on_run=lambda *_: seen.set(),
            start=nothing,
            stop=nothing,
            take_signals=lambda: loop.add_signal_handler(signal.SIGTERM, heard.set),
            stopping=stopping,
        )
    )
    try:
        await asyncio.wait_for(seen.wait(), LIMIT_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(heard.wait(), LIMIT_SECONDS)
        heard.clear()
        assert not watching.done()
        stopping.set()
        await asyncio.wait_for(watching, LIMIT_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(heard.wait(), LIMIT_SECONDS)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        await connection.close()
