"""Pods as real processes: how they end, what they are given, what is told of them."""

import asyncio
import os


async def test_a_pod_runs_and_its_status_tells_how_it_ended(bench):
    await bench.start()
    bench.create("good", "echo hello; printf done > $TERMINATION", container={
        "env": [{"name": "TERMINATION", "value": "/dev/termination-log"}],
    })
    bench.create("bad", "echo oops >&2; exit 7")

    good, bad = await bench.phase("good"), await bench.phase("bad")

    ended = good["status"]["containerStatuses"][0]["state"]["terminated"]
    assert good["status"]["phase"] == "Succeeded"
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (0, "Completed", "done")
    assert ended["startedAt"] <= ended["finishedAt"]
    ended = bad["status"]["containerStatuses"][0]["state"]["terminated"]
    assert bad["status"]["phase"] == "Failed"
    assert (ended["exitCode"], ended["reason"]) == (7, "Error")
    assert await bench.log("good") == "hello\n"
    assert await bench.log("bad") == "oops\n"
