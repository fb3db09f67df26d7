"""Runs of one workflow share what follows from it alone, and nothing else."""

import asyncio
import copy
from pathlib import Path

import pytest
from driver_stage import Stage, chain, manifest

from limosa_model import layout
from limosa_model.digests import serialize, sha256_hex
from limosa_propeller.runs import closures
from limosa_propeller.runs.closures import CheckedClosure, Closures
from limosa_propeller.runs.opening import OpenedRun, open_run
from limosa_propeller.runs.services import Services


async def opened(services: Services, uid: str, **spec: object) -> OpenedRun:
    made = copy.deepcopy(manifest(chain(3)))
    made["metadata"]["uid"] = f"object-{uid}"
    made["spec"].update(uid=uid, **spec)
    return await open_run(made, services, services.clock.since(0.0))


async def test_runs_of_one_workflow_check_and_unfold_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    validate = closures.validate_closure
    monkeypatch.setattr(
        closures, "validate_closure", lambda closure: checked.append(closure.entry) or validate(closure)
    )
    services = Stage(tmp_path).services
    first, second = await asyncio.gather(opened(services, "one"), opened(services, "two", maxParallelism=7))
    assert checked == ["f.w"]
    assert first.graph.nodes[1] is second.graph.nodes[1]
    assert (first.graph.run_uid, second.graph.run_uid) == ("one", "two")
    assert first.graph.settings.live_pods != second.graph.settings.live_pods == 7


async def test_a_stored_closure_is_read_once_for_all_that_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Stage(tmp_path).services
    data = serialize(chain(3))
    key = layout.closure_key("demo", "development", sha256_hex(data))
    await services.store.call(lambda store: store.put(key, data))
    read: list[str] = []
    call = services.store.call

    async def slowly(work: object) -> object:
        read.append("closure")
        await asyncio.sleep(0)
        return await call(work)  # type: ignore[arg-type]

    monkeypatch.setattr(services.store, "call", slowly)
    runs = await asyncio.gather(*(opened(services, f"run-{n}", closure=None) for n in range(5)))
    assert [len(run.graph.nodes) for run in runs] == [3] * 5
    assert read == ["closure"]


def test_tenants_do_not_share() -> None:
    kept = Closures()
    kept.keep("demo", "development", "digest", CheckedClosure.of(serialize(chain(1))))
    assert kept.get("demo", "development", "digest") is not None
    assert kept.get("other", "development", "digest") is None


def test_what_was_used_longest_ago_goes_by_count_and_by_size() -> None:
    small, large = CheckedClosure.of(serialize(chain(1))), CheckedClosure.of(serialize(chain(50)))
    kept = Closures(most=2)
    for digest in ("a", "b"):
        kept.keep("p", "d", digest, small)
    kept.get("p", "d", "a")
    kept.keep("p", "d", "c", small)
    assert [kept.get("p", "d", digest) is not None for digest in "abc"] == [True, False, True]
    kept = Closures(most_bytes=large.length)
    for digest in ("a", "b"):
        kept.keep("p", "d", digest, small)
    kept.keep("p", "d", "c", large)
    assert [kept.get("p", "d", digest) is not None for digest in "abc"] == [False, False, True]
