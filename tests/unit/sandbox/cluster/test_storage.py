"""The in-process port: rules, versions, watches, deletion, garbage collection, retention."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from limosa_sandbox.cluster import records, retention
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.storage import Storage


def pod(name, **spec):
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "a:1"}], **spec}}


def config_map(name, **meta):
    return {"metadata": {"name": name, **meta}, "data": {}}


@pytest.fixture
def storage():
    made = Storage()
    yield made
    made.close()


def refused(code, call, *args, **kwargs):
    with pytest.raises(ApiError) as caught:
        call(*args, **kwargs)
    assert caught.value.code == code
    return caught.value


def test_a_new_cluster_has_its_namespaces_and_accounts(storage):
    names = [entry["metadata"]["name"] for entry in storage.list("namespaces")[0]]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert storage.get("serviceaccounts", "default", "default")["kind"] == "ServiceAccount"


def test_versions_grow_with_every_write(storage):
    first = storage.create("configmaps", "default", config_map("a"))
    second = storage.patch("configmaps", "default", "a", {"data": {"x": "1"}})
    assert (
        int(second["metadata"]["resourceVersion"])
        == int(first["metadata"]["resourceVersion"]) + 1
        == storage.version
    )


def test_earlier_versions_do_not_change(storage):
    first = storage.create("configmaps", "default", config_map("a"))
    storage.patch("configmaps", "default", "a", {"data": {"x": "1"}, "metadata": {"labels": {"l": "1"}}})
    assert first["data"] == {}
    assert "labels" not in first["metadata"]


def test_update_with_a_stale_version_conflicts(storage):
    first = storage.create("configmaps", "default", config_map("a"))
    storage.patch("configmaps", "default", "a", {"data": {"x": "1"}})
    refused(409, storage.update, "configmaps", "default", "a", {**first, "data": {"y": "1"}})


def test_unknown_resources_are_not_found(storage):
    refused(404, storage.list, "unicorns")
    refused(404, storage.create, "unicorns", "default", {})


def test_bind_assigns_once_and_not_while_deleting(storage):
    storage.create("pods", "default", pod("a"))
    bound = storage.bind("default", "a", "n1")
    assert bound["spec"]["nodeName"] == "n1"
    refused(409, storage.bind, "default", "a", "n2")
    storage.create(
        "pods", "default", {**pod("b"), "metadata": {"name": "b", "finalizers": ["example.com/hold"]}}
    )
    storage.delete("pods", "default", "b")
    refused(409, storage.bind, "default", "b", "n1")


def test_the_node_finishes_a_graceful_deletion(storage):
    storage.create("pods", "default", pod("a", terminationGracePeriodSeconds=5))
    storage.bind("default", "a", "n1")
    marked = storage.delete("pods", "default", "a")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 5
    storage.patch("pods", "default", "a", {"status": {"phase": "Failed"}}, subresource="status")
    assert storage.find(marked["metadata"]["uid"]) is not None
    refused(409, storage.delete, "pods", "default", "a", grace_seconds=0, uid="other")
    storage.delete("pods", "default", "a", grace_seconds=0, uid=marked["metadata"]["uid"])
    assert storage.find(marked["metadata"]["uid"]) is None


def test_deletion_timestamp_is_when_the_grace_ends():
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    storage = Storage(clock=lambda: moment)
    storage.create("pods", "default", pod("a"))
    storage.bind("default", "a", "n1")
    assert storage.delete("pods", "default", "a")["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"


async def test_a_watch_sees_present_and_future_objects(storage):
    storage.create("pods", "default", pod("a"))
    watch = storage.watch("pods")
    storage.bind("default", "a", "n1")
    storage.delete("pods", "default", "a", grace_seconds=0)
    events = [await anext(watch) for _ in range(3)]
    assert [type_ for type_, _ in events] == ["ADDED", "MODIFIED", "DELETED"]
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    storage.create("pods", "default", pod("b"))
    assert (await waiting)[1]["metadata"]["name"] == "b"


async def test_a_closed_watch_ends_after_what_is_pending(storage):
    watch = storage.watch("pods", storage.version)
    storage.create("pods", "default", pod("a"))
    watch.close()
    storage.create("pods", "default", pod("b"))
    assert [obj["metadata"]["name"] async for _, obj in watch] == ["a"]


async def test_a_watch_that_nobody_reads_is_ended(storage, monkeypatch):
    monkeypatch.setattr(records, "_BACKLOG", 3)
    watch = storage.watch("configmaps", storage.version)
    for index in range(5):
        storage.create("configmaps", "default", config_map(f"c{index}"))
    assert watch.overflowed
    assert len([event async for event in watch]) == 3


def test_a_watch_from_before_the_history_is_gone(storage, monkeypatch):
    monkeypatch.setattr(records, "HISTORY", 4)
    storage = Storage()
    since = storage.version
    for index in range(6):
        storage.create("configmaps", "default", config_map(f"c{index}"))
    assert refused(410, storage.watch, "configmaps", since).reason == "Expired"
    oldest = storage.version - 4
    assert len(storage.watch("configmaps", oldest).take()) == 4


def test_old_history_is_forgotten_in_every_resource(monkeypatch):
    """Else a cluster that has rest after a burst would hold the burst's objects for ever."""
    monkeypatch.setattr(records, "ALWAYS_KEPT", 2)
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    storage = Storage(clock=lambda: now)
    since = storage.version
    for index in range(6):
        storage.create("configmaps", "default", config_map(f"c{index}"))
    assert len(storage.watch("configmaps", since).take()) == 6
    now += records.FRESH + timedelta(seconds=1)
    storage.create("secrets", "default", {"metadata": {"name": "other"}})
    assert refused(410, storage.watch, "configmaps", since).reason == "Expired"
    assert len(storage.watch("configmaps", since + 4).take()) == 2
    assert len(storage.list("configmaps")[0]) == 6


def test_what_only_late_watches_read_is_kept_as_bytes():
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    storage = Storage(clock=lambda: now)
    since = storage.version
    storage.create("configmaps", "default", config_map("a", labels={"l": "1"}))
    storage.patch("configmaps", "default", "a", {"metadata": {"labels": {"l": "2"}}})
    storage.create("configmaps", "default", config_map("b", labels={"l": "1"}))
    storage.delete("configmaps", "default", "b")
    assert not any(change.record.packed for change in storage.watch("configmaps", since).take())
    now += records.UNPACKED + timedelta(seconds=1)
    storage.create("secrets", "default", {"metadata": {"name": "other"}})
    changes = storage.watch("configmaps", since).take()
    # The second one is what "a" is now.
    assert [change.record.packed for change in changes] == [True, False, True, True]
    matcher = storage.matcher("configmaps", "l=1", None)
    seen = storage.watch("configmaps", since, matcher=matcher).take()
    assert [(change.type, change.record.name) for change in seen] == [
        ("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b"), ("DELETED", "b"),
    ]  # fmt: skip
    assert all(change.wire().endswith(change.record.raw + b"}\n") for change in seen)


def test_of_a_burst_only_the_newest_changes_are_kept_as_dicts(storage, monkeypatch):
    monkeypatch.setattr(records, "MOST_UNPACKED", 3)
    since = storage.version
    for _ in range(4):
        storage.create("configmaps", "default", config_map("a"))
        storage.delete("configmaps", "default", "a")
    packed = [change.record.packed for change in storage.watch("configmaps", since).take()]
    assert packed == [True] * 5 + [False] * 3


def test_events_are_kept_as_bytes(storage):
    storage.create("events", "default", event("e"))
    assert storage.record("events", "default", "e").packed
    assert storage.get("events", "default", "e")["involvedObject"]["name"] == "p"


def test_a_watch_from_the_future_is_refused(storage):
    refused(504, storage.watch, "pods", storage.version + 1)


def test_bytes_are_shared_between_lists_and_watches(storage):
    watches = [storage.watch("configmaps", storage.version) for _ in range(2)]
    storage.create("configmaps", "default", config_map("a"))
    first, second = (watch.take()[0] for watch in watches)
    assert first.wire() is second.wire()
    assert first.record.raw is storage.record("configmaps", "default", "a").raw


def test_without_a_loop_dependents_are_gone_when_the_call_returns(storage):
    owner = storage.create("configmaps", "default", config_map("owner"))["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    for index in range(50):
        storage.create("configmaps", "default", config_map(f"c{index}", ownerReferences=[reference]))
    storage.delete("configmaps", "default", "owner")
    assert storage.list("configmaps")[0] == []


def test_owners_do_not_reach_across_namespaces(storage):
    storage.create("namespaces", None, {"metadata": {"name": "other"}})
    owner = storage.create("configmaps", "other", config_map("owner"))["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    storage.create("configmaps", "default", config_map("child", ownerReferences=[reference]))
    refused(404, storage.get, "configmaps", "default", "child")


def test_a_cluster_scoped_owner_reaches_into_namespaces(storage):
    node = storage.create("nodes", None, {"metadata": {"name": "n"}})["metadata"]
    reference = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": node["uid"]}
    storage.create("configmaps", "default", config_map("child", ownerReferences=[reference]))
    assert storage.get("configmaps", "default", "child")
    storage.delete("nodes", None, "n")
    refused(404, storage.get, "configmaps", "default", "child")


def test_a_namespace_waits_for_pods_on_nodes(storage):
    storage.create("namespaces", None, {"metadata": {"name": "x"}})
    made = storage.create("pods", "x", pod("a"))
    storage.bind("x", "a", "n1")
    storage.delete("namespaces", None, "x")
    assert storage.get("pods", "x", "a")["metadata"]["deletionTimestamp"]
    assert storage.get("namespaces", None, "x")["status"]["phase"] == "Terminating"
    storage.delete("pods", "x", "a", grace_seconds=0, uid=made["metadata"]["uid"])
    refused(404, storage.get, "namespaces", None, "x")


def event(name):
    return {
        "metadata": {"name": name},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
    }


def test_events_live_for_an_hour():
    now = [datetime(2026, 1, 1, tzinfo=timezone.utc)]
    storage = Storage(clock=lambda: now[0])
    storage.create("events", "default", event("old"))
    now[0] += timedelta(minutes=61)
    storage.create("events", "default", event("new"))
    assert [entry["metadata"]["name"] for entry in storage.list("events")[0]] == ["new"]


def test_of_many_events_the_newest_are_kept(storage, monkeypatch):
    monkeypatch.setattr(retention, "KEPT", 3)
    for index in range(5):
        storage.create("events", "default", event(f"e{index}"))
    assert [entry["metadata"]["name"] for entry in storage.list("events")[0]] == ["e2", "e3", "e4"]


def test_a_dry_run_stores_nothing(storage):
    version = storage.version
    storage.create("configmaps", "default", config_map("a"), dry_run=True)
    refused(404, storage.get, "configmaps", "default", "a")
    assert storage.version == version
