"""Hundreds of runs that are opened at once, as after a restart, leave turns to everything else."""

import asyncio
from pathlib import Path

from driver_stage import Stage

from limosa_propeller.runs.opening import OpenedRun, open_run
from limosa_propeller.runs.services import OPENINGS_AT_A_TIME


async def test_others_have_their_turn_between_openings(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    opened: list[OpenedRun] = []
    in_a_row: list[int] = []

    async def one() -> None:
        opened.append(await open_run(stage.manifest, stage.services))

    count = 4 * OPENINGS_AT_A_TIME
    openings = asyncio.gather(*(one() for _ in range(count)))
    while not openings.done():
        before = len(opened)
        await asyncio.sleep(0)
        in_a_row.append(len(opened) - before)
    assert sum(in_a_row) == count
    assert max(in_a_row) <= OPENINGS_AT_A_TIME
