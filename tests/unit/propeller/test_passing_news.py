"""What a stream of pods tells of, and what it leaves out because later news has come already."""

import asyncio
import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import virtual_time
from driver_stage import Stage, chain, manifest, settle

from limosa_propeller.kube import reflector
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.reflector import Reflector
from limosa_propeller.kube.verbs import PODS
from limosa_propeller.kube.watch_events import in_passing
from limosa_propeller.runs.fleet import Fleet

MARK = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def line(kind: str, phase: str, version: int = 1, uid: str = "u1", **metadata: Any) -> bytes:
    """An event as an API server writes it: metadata begins with name and uid, status comes last."""
    pod = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"pod-{uid}",
            "namespace": "demo",
            "uid": uid,
            "resourceVersion": str(version),
            **metadata,
            "managedFields": [{"fieldsV1": {"f:status": {"f:phase": {}}}}],
        },
        "spec": {"nodeName": "n"},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    return orjson.dumps({"type": kind, "object": pod})


@pytest.mark.parametrize(
    ("told", "uid"),
    [
        (line("ADDED", "Pending"), "u1"),
        (line("MODIFIED", "Running"), "u1"),
        (
            line("MODIFIED", "Running").replace(
                b'"status":{"phase"', b'"status":{"observedGeneration":3,"phase"'
            ),
            "u1",
        ),
        (line("MODIFIED", "Succeeded"), ""),
        (line("MODIFIED", "Failed"), ""),
        (line("MODIFIED", "Unknown"), ""),
        (line("MODIFIED", "Running", **MARK), ""),
        (line("MODIFIED", "Succeeded", **MARK), "u1"),
        (line("DELETED", "Succeeded", **MARK), ""),
        (line("DELETED", "Running"), ""),
        (line("MODIFIED", "Running").replace(b'"kind":"Pod"', b'"kind":"Job"'), ""),
        # An author's text does not pass for the pod's own words.
        (line("MODIFIED", "Failed", annotations={"x": '"status":{"phase":"Running"'}), ""),
        (line("MODIFIED", "Running", annotations={"x": '"deletionTimestamp":"'}), "u1"),
        # Written in another order: it is decoded and told at once.
        (orjson.dumps({"type": "ADDED", "object": {"metadata": {"uid": "u1"}, "kind": "Pod"}}), ""),
    ],
)
def test_which_news_is_worth_nothing_once_there_is_later_news(told: bytes, uid: str) -> None:
    assert in_passing(told) == uid


class Script:
    """A server whose streams send what a test says; a number is a pause, an error breaks the stream."""

    def __init__(self, *streams: list[Any]) -> None:
        self.streams = list(streams)
        self.since: list[str] = []

    async def list(self, *_: Any) -> tuple[list[Any], str]:
        return [], "100"

    async def watch(self, _kind: Any, _namespace: Any, _labels: Any, since: str) -> AsyncIterator[bytes]:
        self.since.append(since)
        if not self.streams:
            await asyncio.sleep(1e9)
        for step in self.streams.pop(0):
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                yield step


def told_of(script: Script, seconds: float = 30.0) -> list[tuple[float, str]]:
    """When the stream's owner heard what, in the seconds of a clock that jumps."""
    heard: list[tuple[float, str]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def on_event(kind: str, pod: dict[str, Any]) -> None:
            phase, version = pod["status"]["phase"], pod["metadata"]["resourceVersion"]
            heard.append((round(loop.time(), 1), f"{kind} {pod['metadata']['uid']} {phase} {version}"))

        stream = Reflector(script, PODS, None, "", lambda *_: None, on_event)  # type: ignore[arg-type]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.watch(), seconds)

    virtual_time.run(main(), ApiError)
    return heard


def test_a_pod_that_ends_soon_is_told_of_once_and_its_removal_once() -> None:
    life = [
        line("ADDED", "Pending", 101),
        line("MODIFIED", "Pending", 102),
        line("MODIFIED", "Running", 103),
        line("MODIFIED", "Succeeded", 104),
        0.5,
        line("MODIFIED", "Succeeded", 105, **MARK),
        line("DELETED", "Succeeded", 106, **MARK),
    ]
    assert told_of(Script([*life, 1e9])) == [
        (0.0, "MODIFIED u1 Succeeded 104"),
        (0.5, "DELETED u1 Succeeded 106"),
    ]


def test_a_pod_that_stays_is_told_of_after_a_second_however_often_it_changes() -> None:
    steps = [
        line("ADDED", "Pending", 101),
        0.4,
        line("MODIFIED", "Running", 102),
        line("ADDED", "Pending", 103, uid="u2"),
        5.0,
        line("MODIFIED", "Running", 104, uid="u2"),
        0.5,
        line("MODIFIED", "Running", 105, uid="u2", annotations={"x": "y"}),
    ]
    assert reflector.PASSING_SECONDS == 1.0
    assert told_of(Script([*steps, 1e9])) == [
        (1.0, "MODIFIED u1 Running 102"),
        (1.4, "ADDED u2 Pending 103"),
        (6.4, "MODIFIED u2 Running 105"),
    ]


@pytest.mark.parametrize("end", [[], [ApiError(0, "Unreachable", "reset")]])
def test_what_waits_when_a_stream_ends_is_told_and_the_next_goes_on_after_it(end: list[Exception]) -> None:
    first = [
        line("ADDED", "Pending", 101),
        line("MODIFIED", "Succeeded", 102, uid="u2"),
        line("MODIFIED", "Running", 103),
    ]
    script = Script([*first, *end], [1e9])
    assert told_of(script) == [(0.0, "MODIFIED u2 Succeeded 102"), (0.0, "MODIFIED u1 Running 103")]
    assert script.since == ["100", "103"]


def test_an_older_version_that_waited_does_not_turn_the_stream_back() -> None:
    first = [line("ADDED", "Pending", 101), line("MODIFIED", "Succeeded", 102, uid="u2"), 2.0]
    script = Script(first, [1e9])
    assert told_of(script) == [(0.0, "MODIFIED u2 Succeeded 102"), (1.0, "ADDED u1 Pending 101")]
    assert script.since == ["100", "102"]


def test_what_waits_is_told_before_a_list_that_may_not_have_it() -> None:
    heard: list[str] = []

    async def main() -> None:
        script = Script([line("ADDED", "Pending", 99), 1e9])
        stream = Reflector(
            script,  # type: ignore[arg-type]
            PODS,
            None,
            "",
            lambda _namespace, pods, version: heard.append(f"{len(pods)} pods at {version}"),
            lambda kind, pod: heard.append(f"{kind} {pod['metadata']['uid']}"),
        )
        watching = asyncio.ensure_future(stream.watch())
        await asyncio.sleep(0.1)
        await stream.list()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    virtual_time.run(main(), ApiError)
    assert heard == ["0 pods at 100", "ADDED u1", "0 pods at 100"]


async def test_a_pod_of_which_only_the_removal_is_told_is_not_waited_for(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    fleet = Fleet(stage.services)
    fleet.synced = True
    run = manifest(chain(1))
    run["metadata"].update(uid="uid-1", resourceVersion=stage.cluster.version(), generation=1)
    stage.cluster.run = run
    fleet.observe_run("ADDED", run)
    await settle()
    (pod,) = stage.cluster.pods.values()
    stage.mark_ended(pod)
    fleet.observe_pod("DELETED", copy.deepcopy(pod))
    await settle()
    fleet.close()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"


def test_what_became_due_together_is_told_and_the_rest_in_its_turn() -> None:
    steps = [line("ADDED", "Pending", 101 + n, uid=f"u{n}") for n in range(3)]
    late = [0.99, line("ADDED", "Pending", 110, uid="u9"), 0.02, line("MODIFIED", "Running", 111, uid="u9")]
    assert told_of(Script([*steps, *late, 1e9])) == [
        (1.0, "ADDED u0 Pending 101"),
        (1.0, "ADDED u1 Pending 102"),
        (1.0, "ADDED u2 Pending 103"),
        (2.0, "MODIFIED u9 Running 111"),
    ]
