"""The peer: a client that does nothing but create, watch and delete the same pods.

Reads a pod manifest and a number from standard input, prints the seconds it took.
"""

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp
import orjson
import uvloop

IN_FLIGHT = 64


async def run(server: str, token: str, path: str, pods: list[dict[str, Any]], live: int) -> float:
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "bare-client"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        writes, slots = asyncio.Semaphore(IN_FLIGHT), asyncio.Semaphore(live)
        left, done = {pod["metadata"]["name"] for pod in pods}, asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        async def create(pod: dict[str, Any]) -> None:
            async with writes, session.post(server + path, data=orjson.dumps(pod), headers=JSON) as answer:
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
                        slots.release()
                        spawn(delete(name))

        started = asyncio.Event()
        spawn(watch())
        await started.wait()
        began = time.perf_counter()
        for pod in pods:
            await slots.acquire()
            spawn(create(pod))
        await done.wait()
        return time.perf_counter() - began


JSON = {"Content-Type": "application/json"}


def main() -> None:
    job = json.load(sys.stdin)
    pods = []
    for number in range(job["count"]):
        pod = json.loads(json.dumps(job["pod"]))
        pod["metadata"]["name"] = f"{job['prefix']}-{number}"
        pods.append(pod)
    uvloop.install()
    print(asyncio.run(run(job["server"], job["token"], job["path"], pods, job["live"])))


if __name__ == "__main__":
    main()
