"""The peer on a real API server: a client that does nothing but create, watch and delete pods.

Reads a job from standard input and prints seconds, and seconds of its CPU: of `fan`, until all pods came and went, `live` of them
at a time; of `chain`, until the last pod has succeeded, each created when the one before had. Where the job says `kopf`, pods are
not watched by the client but by a handler of kopf, in the same process and with kopf's own settings.
"""

import asyncio
import copy
import json
import sys
import time
from typing import Any

import aiohttp
import kopf
import orjson
import uvloop

from limosa_propeller.kube.credentials import load_credentials

IN_FLIGHT = 64
JSON = {"Content-Type": "application/json"}


class Client:
    """One session, one watch stream; told of each pod's success and disappearance."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url
        self._writes = asyncio.Semaphore(IN_FLIGHT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: set[str] = set()
        self.succeeded: asyncio.Queue[str] = asyncio.Queue()
        self.gone: asyncio.Queue[str] = asyncio.Queue()

    async def create(self, pod: dict[str, Any]) -> None:
        async with (
            self._writes,
            self._session.post(self._url, data=orjson.dumps(pod), headers=JSON) as answer,
        ):
            assert answer.status == 201, await answer.text()
            await answer.read()

    async def delete(self, name: str) -> None:
        async with self._writes, self._session.delete(f"{self._url}/{name}") as answer:
            assert answer.status in (200, 202), await answer.text()
            await answer.read()

    def spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def settle(self) -> None:
        """Waits for answers that are on their way: a pod may be gone before whoever deleted it hears so."""
        await asyncio.gather(*self._tasks)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # A peer that loses a pod would wait for it for ever.
            print(task.exception(), file=sys.stderr)
            sys.exit(1)

    def watch_ended(self, task: "asyncio.Task[None]") -> None:
        """Without it nothing would ever end."""
        if not task.cancelled():
            print(f"the watch ended: {task.exception()!r}", file=sys.stderr)
            sys.exit(1)

    async def watch(self, since: str) -> None:
        """Until it is cancelled: a server ends a watch when it likes, a fresh one soon."""
        while True:
            params = {"watch": "true", "resourceVersion": since, "labelSelector": "limosa.dev/run=bare"}
            rest = b""
            async with self._session.get(self._url, params=params, timeout=None) as stream:
                async for chunk in stream.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        event = orjson.loads(line)
                        since = event["object"]["metadata"]["resourceVersion"]
                        self.tell(event)

    def tell(self, event: dict[str, Any]) -> None:
        name = event["object"]["metadata"]["name"]
        if event["type"] == "DELETED":
            self.gone.put_nowait(name)
        elif event["object"]["status"].get("phase") == "Succeeded" and name not in self._ended:
            self._ended.add(name)
            self.succeeded.put_nowait(name)


async def watch_through_kopf(
    client: Client, session: aiohttp.ClientSession, server: str, namespace: str
) -> None:
    """The least that an operator made with kopf costs."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def _login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=server, aiohttp_session=session)

    @kopf.on.event("pods", labels={"limosa.dev/run": "bare"}, registry=registry)
    async def _pod(event: Any, **_: Any) -> None:
        client.tell(event)

    await kopf.operator(registry=registry, standalone=True, namespaces=[namespace])


async def fan(client: Client, pods: list[dict[str, Any]], live: int) -> float:
    """Seconds until all pods came and went."""
    slots = asyncio.Semaphore(live)

    async def remove() -> None:
        for _ in pods:
            name = await client.succeeded.get()
            slots.release()
            client.spawn(client.delete(name))

    began = time.perf_counter()
    client.spawn(remove())
    for pod in pods:
        await slots.acquire()
        client.spawn(client.create(pod))
    for _ in pods:
        await client.gone.get()
    return time.perf_counter() - began


async def chain(client: Client, pods: list[dict[str, Any]]) -> float:
    """Seconds until each pod has succeeded after the one before."""
    began = time.perf_counter()
    for pod in pods:
        await client.create(pod)
        client.spawn(client.delete(await client.succeeded.get()))
    took = time.perf_counter() - began
    for _ in pods:
        await client.gone.get()
    return took


async def run(job: dict[str, Any]) -> tuple[float, float]:
    """Seconds of one job, and of CPU meanwhile."""
    found = load_credentials(job["kubeconfig"])
    connector = aiohttp.TCPConnector(limit=0, ssl=found.ssl_context or False)
    headers = {"User-Agent": "bare-client"}
    if found.token:
        headers["Authorization"] = f"Bearer {found.token}"
    first, *pods = (pod_of(job, number) for number in range(job["count"] + 1))
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        client = Client(session, found.server + job["path"])
        if job["kopf"]:
            work = watch_through_kopf(client, session, found.server, job["namespace"])
        else:
            async with session.get(found.server + job["path"], params={"limit": "1"}) as answer:
                work = client.watch((await answer.json())["metadata"]["resourceVersion"])
        watching = asyncio.ensure_future(work)
        watching.add_done_callback(client.watch_ended)
        # What it takes to start is not what a pod costs.
        await chain(client, [first])
        begun = time.process_time()
        took = await (chain(client, pods) if job["kind"] == "chain" else fan(client, pods, job["live"]))
        await client.settle()
        cpu = time.process_time() - begun
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return took, cpu


def pod_of(job: dict[str, Any], number: int) -> dict[str, Any]:
    """The job's pod, under a name of its own."""
    pod: dict[str, Any] = copy.deepcopy(job["pod"])
    pod["metadata"]["name"] = f"{job['prefix']}-{number}"
    return pod


if __name__ == "__main__":
    uvloop.install()
    seconds, cpu = asyncio.run(run(json.load(sys.stdin)))
    print(json.dumps({"seconds": seconds, "cpu": cpu}))
