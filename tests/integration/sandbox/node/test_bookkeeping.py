"""A pod that came and went leaves nothing in the memory of its cluster and its node, however long they live."""

import asyncio
from datetime import timedelta

from limosa_sandbox.cluster import records, retention, storage
from limosa_sandbox.node import events

_PODS = 6


async def test_pods_that_came_and_went_leave_nothing(bench, monkeypatch, holdings):
    # History and events go by time and number, which have tests of their own.
    monkeypatch.setattr(records, "ALWAYS_KEPT", 0)
    monkeypatch.setattr(records, "FRESH", timedelta(0))
    monkeypatch.setattr(records, "UNPACKED", timedelta(0))
    monkeypatch.setattr(storage, "_SWEEP_EVERY", timedelta(0))
    monkeypatch.setattr(retention, "KEPT", 0)
    monkeypatch.setattr(events, "_KEPT", 0)
    bench.storage = storage.Storage()
    await bench.start()
    found = []
    for turn in range(3):
        await _come_and_go(bench, turn)
        found.append(await _at_rest(bench, holdings))
    assert found[2] == found[1]


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


async def _at_rest(bench, holdings) -> dict[str, int]:
    """What cluster and node hold, once it does not change any more."""
    found: dict[str, int] = {}
    for _ in range(200):
        before, found = found, holdings("limosa_sandbox")
        if found == before and not any((bench.directory / "pods").iterdir()):
            break
        await asyncio.sleep(0.05)
    return found
