"""A pod that came and went leaves nothing in the memory of its cluster and its node, however long they live."""

import asyncio
import gc
from collections.abc import Iterator
from datetime import timedelta

from limosa_sandbox.cluster import records, retention, storage
from limosa_sandbox.node import events
from limosa_sandbox.node.scheduler import Scheduler

_PODS = 6


async def test_pods_that_came_and_went_leave_nothing(bench, monkeypatch):
    # History and events go by time and number, which have tests of their own.
    monkeypatch.setattr(records, "ALWAYS_KEPT", 0)
    monkeypatch.setattr(records, "FRESH", timedelta(0))
    monkeypatch.setattr(records, "UNPACKED", timedelta(0))
    monkeypatch.setattr(storage, "_SWEEP_EVERY", timedelta(0))
    monkeypatch.setattr(retention, "KEPT", 0)
    monkeypatch.setattr(events, "_KEPT", 0)
    bench.storage = storage.Storage()
    await bench.start()
    sizes = []
    for turn in range(3):
        await _come_and_go(bench, turn)
        sizes.append(await _at_rest(bench))
    assert sizes[2] == sizes[1]


async def _come_and_go(bench, turn: int) -> None:
    """Pods that succeed, fail, are killed while they run, and wait in vain; each watched by somebody who goes too."""
    watch = bench.storage.watch("pods", matcher=bench.storage.matcher("pods", "app=x", None))
    owner = {"metadata": {"name": f"owner-{turn}"}, "data": {}}
    owner = bench.storage.create("configmaps", "default", owner)["metadata"]
    scripts = ["true", "exit 3", "sleep 60"] * (_PODS // 3)
    names = [f"p{turn}-{number}" for number in range(_PODS)]
    for name, script in zip(names, scripts, strict=True):
        bench.create(name, script, container={"resources": {"limits": {"memory": "1Gi"}}})
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["name"], "uid": owner["uid"]}
        bench.storage.patch("pods", "default", name, {"metadata": {"ownerReferences": [reference]}})
    bench.create(f"large-{turn}", "true", container={"resources": {"requests": {"cpu": "64"}}})
    for name, script in zip(names, scripts, strict=True):
        await bench.phase(name, *(["Running"] if script.startswith("sleep") else []))
    watch.close()
    bench.storage.delete("pods", "default", f"large-{turn}")
    for name in names:
        bench.storage.delete("pods", "default", name, grace_seconds=0)
    bench.storage.delete("configmaps", "default", owner["name"])
    for name in names:
        await bench.gone(name)


async def _at_rest(bench) -> dict[str, int]:
    """The sizes of everything that cluster and node hold, once they do not change any more."""
    # Only the node's own task knows it.
    (scheduler,) = (one for one in gc.get_objects() if isinstance(one, Scheduler))
    found: dict[str, int] = {}
    for _ in range(200):
        before, found = found, dict(_sizes({"node": bench.node, "scheduler": scheduler}, "", set()))
        if found == before and not any((bench.directory / "pods").iterdir()):
            break
        await asyncio.sleep(0.05)
    return found


def _sizes(value: object, path: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if hasattr(value, "__len__") and not isinstance(value, str | bytes):
        yield path, len(value)
    if isinstance(value, dict):
        # Which names there are differs from turn to turn, how many there are does not.
        for number, inner in enumerate(value.values()):
            yield from _sizes(inner, f"{path}.{number}", seen)
    elif type(value).__module__.startswith("limosa_sandbox") and hasattr(value, "__dict__"):
        for name, inner in vars(value).items():
            yield from _sizes(inner, f"{path}.{name}", seen)
