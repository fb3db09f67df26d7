"""The peer: a client that does nothing but create, watch and delete the same pods.

Reads a pod manifest and a number from standard input. As many pods as `live` are there at a time, each but the first ones asked
for when another ended: chains, as far as the server can tell. Prints, as JSON, the seconds it took, and the 99th percentile of the
seconds from such an end's arrival to the request that follows from it.
"""

import asyncio
import json
import statistics
import sys
import time
from collections import deque
from typing import Any

import aiohttp
import orjson
import uvloop

IN_FLIGHT = 64


async def run(server: str, token: str, path: str, pods: list[dict[str, Any]], live: int) -> dict[str, float]:
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "bare-client"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        writes, slots = asyncio.Semaphore(IN_FLIGHT), asyncio.Semaphore(live)
        left, done = {pod["metadata"]["name"] for pod in pods}, asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()
        ends: deque[float] = deque()
        waits: list[float] = []

        async def create(pod: dict[str, Any], since: float | None) -> None:
            async with writes:
                if since is not None:
                    waits.append(time.perf_counter() - since)
                async with session.post(server + path, data=orjson.dumps(pod), headers=JSON) as answer:
                    assert answer.status == 201, await answer.text()
                    await answer.read()

        async def delete(name: str) -> None:
            async with writes, session.delete(f"{server}{path}/{name}") as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()

        def spawn(work: Any) -> None:
            task = asyncio.ensure_future(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async def watch() -> None:
            params = {"watch": "true", "resourceVersion": "0", "labelSelector": "limosa.dev/run"}
            ended: set[str] = set()
            async with session.get(server + path, params=params, timeout=None) as stream:
                started.set()
                async for line in stream.content:
                    arrived = time.perf_counter()
                    event = orjson.loads(line)
                    name = event["object"]["metadata"].get("name")
                    if name not in left:
                        continue
                    if event["type"] == "DELETED":
                        left.discard(name)
                        if not left:
                            done.set()
                            return
                    elif event["object"]["status"].get("phase") == "Succeeded" and name not in ended:
                        ended.add(name)
                        ends.append(arrived)
                        slots.release()
                        spawn(delete(name))

        started = asyncio.Event()
        spawn(watch())
        await started.wait()
        began = time.perf_counter()
        for pod in pods:
            await slots.acquire()
            spawn(create(pod, ends.popleft() if ends else None))
        await done.wait()
        return {"seconds": time.perf_counter() - began, "wait_p99": statistics.quantiles(waits, n=100)[98]}


JSON = {"Content-Type": "application/json"}


def main() -> None:
    job = json.load(sys.stdin)
    pods = []
    for number in range(job["count"]):
        pod = json.loads(json.dumps(job["pod"]))
        pod["metadata"]["name"] = f"{job['prefix']}-{number}"
        pods.append(pod)
    uvloop.install()
    print(json.dumps(asyncio.run(run(job["server"], job["token"], job["path"], pods, job["live"]))))


if __name__ == "__main__":
    main()
