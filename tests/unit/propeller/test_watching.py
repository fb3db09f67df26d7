import asyncio
import getpass

import kopf

from limosa_propeller.settings import OperatorSettings
from limosa_propeller.watching import watch


async def test_a_user_without_a_name_can_run_the_operator(monkeypatch):
    """Images run as a bare number; kopf's own default for its identity asks for the user's name."""

    def nameless():
        raise KeyError("getpwuid(): uid not found: 65532")

    reached = []

    async def spawn_tasks(**given):
        if given.get("identity") is None:
            getpass.getuser()
        reached.append(given["identity"])
        return [asyncio.create_task(asyncio.sleep(0))]

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.setattr(kopf, "spawn_tasks", spawn_tasks)

    async def nothing():
        return None

    stopping = asyncio.Event()
    await watch(
        OperatorSettings(),
        None,
        runs="",
        on_run=print,
        start=nothing,
        stop=nothing,
        take_signals=lambda: None,
        stopping=stopping,
    )
    assert reached
