"""Watch streams that end, fall silent or lose an event: the fleet hears of it all the same."""

import asyncio
import copy
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from driver_stage import Stage, settle
from test_api_answers import until

from limosa_propeller.kube import reflector
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import Resource
from limosa_propeller.runs.fleet import Fleet

Object = dict[str, Any]
Script = list[tuple[str, Object] | ApiError]


class Scripted:
    """What a stage's cluster has, listed; its watch streams say only what a test wrote for them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.streams: list[Script] = []
        self.lists: list[str] = []

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = ""
    ) -> tuple[list[Object], str]:
        self.lists.append(resource.plural)
        cluster = self.stage.cluster
        found = cluster.pods.values() if resource.plural == "pods" else [cluster.run] if cluster.run else []
        return copy.deepcopy(list(found)), cluster.version()

    async def watch(
        self, resource: Resource, namespace: str | None, labels: str, since: str
    ) -> AsyncIterator[bytes]:
        if not self.streams:
            await asyncio.Event().wait()
        for entry in self.streams.pop(0):
            if isinstance(entry, ApiError):
                raise entry
            kind, found = entry
            yield orjson.dumps({"type": kind, "object": found})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stage.cluster, name)


class Theatre:
    """A fleet that reads the stage's cluster through scripted streams."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.verbs = stage, Scripted(stage)
        stage.driver.close()
        stage.manifest["metadata"]["resourceVersion"] = "1"
        engine = dataclasses.replace(stage.services.engine, pod_gone_grace=0.0)
        self.fleet = Fleet(dataclasses.replace(stage.services, verbs=self.verbs, engine=engine))
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """The run is launched and its pod has been seen; the streams are not open yet."""
        await self.fleet.resync()
        await settle()
        await self.fleet.resync()

    def watch(self) -> None:
        self._tasks = [asyncio.create_task(stream.watch()) for stream in self.fleet.streams]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.fleet.close()

    @property
    def cluster(self) -> Any:
        return self.stage.cluster

    def lose_pod(self) -> Object:
        """The pod goes and nobody is told."""
        name, pod = next(iter(self.cluster.pods.items()))
        del self.cluster.pods[name]
        return pod  # type: ignore[no-any-return]

    def launches(self) -> list[str]:
        return [write for write in self.cluster.writes if write.startswith("create")]


@pytest.fixture
async def theatre(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Theatre]:
    monkeypatch.setattr(reflector, "BACKOFF_SECONDS", (0.001,))
    found = Theatre(stage)
    yield found
    await found.close()


async def test_a_watch_that_is_told_410_lists_again_and_synthesises_what_it_missed(theatre: Theatre) -> None:
    theatre.verbs.streams = [[("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})]]
    await theatre.begin()
    theatre.lose_pod()
    theatre.watch()
    await until(lambda: "create 1" in theatre.launches())
    assert theatre.verbs.streams == []


async def test_an_answer_410_to_the_watch_itself_is_the_same(theatre: Theatre) -> None:
    theatre.verbs.streams = [[ApiError(410, "Gone", "too old resource version")]]
    await theatre.begin()
    theatre.lose_pod()
    theatre.watch()
    await until(lambda: "create 1" in theatre.launches())


async def test_a_stream_that_breaks_goes_on_where_it_was(theatre: Theatre) -> None:
    await theatre.begin()
    lists = theatre.verbs.lists.count("pods")
    pod = theatre.lose_pod()
    pod["metadata"]["resourceVersion"] = theatre.cluster.version()
    theatre.verbs.streams = [[ApiError(0, "Unreachable", "reset")], [("DELETED", pod)]]
    theatre.watch()
    await until(lambda: "create 1" in theatre.launches())
    assert theatre.verbs.lists.count("pods") == lists


async def test_a_silent_watch_is_healed_by_the_next_full_read(theatre: Theatre) -> None:
    await theatre.begin()
    theatre.watch()
    theatre.lose_pod()
    await settle()
    assert theatre.launches() == ["create 0"]
    await theatre.fleet.resync()
    await until(lambda: "create 1" in theatre.launches())


async def test_a_missed_deletion_of_a_run_ends_its_driver(theatre: Theatre) -> None:
    await theatre.begin()
    (driver,) = theatre.fleet.drivers.values()
    theatre.cluster.run = None
    await theatre.fleet.resync()
    assert theatre.fleet.drivers == {}
    assert not driver.over


async def test_the_deletion_of_a_running_pod_is_a_failure_of_the_platform(theatre: Theatre) -> None:
    """DELETED, and the last that was seen of it is that it ran."""
    await theatre.begin()
    pod = copy.deepcopy(next(iter(theatre.cluster.pods.values())))
    running = {"name": "task", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    pod["status"] = {"phase": "Running", "containerStatuses": [running]}
    pod["metadata"]["resourceVersion"] = theatre.cluster.version()
    theatre.fleet.observe_pod("MODIFIED", pod)
    await settle()
    theatre.lose_pod()
    theatre.fleet.observe_pod("DELETED", pod)
    await until(lambda: "create 1" in theatre.launches())
    failed = [shot.launch for shot in theatre.stage.snapshots if shot.launch.HasField("failure")]
    assert [one.failure.code for one in failed] == ["PodGone"]
    states = [shot.node for shot in theatre.stage.snapshots if shot.WhichOneof("state") == "node"]
    assert (states[-1].system_failures, states[-1].user_failures) == (1, 0)
