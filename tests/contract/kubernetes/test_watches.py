"""Watches: order, completeness, selectors, bookmarks, versions that are too old."""

from __future__ import annotations

import pytest


@pytest.fixture
def place(base):
    return f"{base}/configmaps"


def test_a_watch_after_a_list_misses_nothing(cluster, place, config_map, new_name):
    version = cluster.get(place)["metadata"]["resourceVersion"]
    name = new_name()
    cluster.create(place, config_map(name))
    cluster.patch(f"{place}/{name}", {"data": {"a": "2"}})
    cluster.delete(f"{place}/{name}")
    stream = cluster.watch(place, resourceVersion=version, fieldSelector=f"metadata.name={name}")
    events = [stream.next() for _ in range(3)]
    stream.close()
    assert [type_ for type_, _ in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in events]
    assert versions == sorted(set(versions))
    assert events[2][1]["data"] == {"a": "2"}
    assert events[0][1]["kind"] == "ConfigMap"


def test_a_live_watch_sees_changes_as_they_come(cluster, place, config_map, new_name):
    name = new_name()
    stream = cluster.watch(place, resourceVersion=cluster.get(place)["metadata"]["resourceVersion"])
    cluster.create(place, config_map(name))
    assert stream.until("ADDED", name)["data"] == {"a": "b"}
    cluster.patch(f"{place}/{name}", {"data": {"a": "2"}})
    assert stream.until("MODIFIED", name)["data"] == {"a": "2"}
    cluster.delete(f"{place}/{name}")
    stream.until("DELETED", name)
    stream.close()


@pytest.mark.parametrize("version", [None, "0"])
def test_a_watch_without_version_starts_with_what_there_is(cluster, place, config_map, new_name, version):
    name = new_name()
    cluster.create(place, config_map(name))
    query = {"resourceVersion": version} if version else {}
    stream = cluster.watch(place, fieldSelector=f"metadata.name={name}", **query)
    assert stream.next()[0] == "ADDED"
    stream.close()


def test_a_watch_ends_after_its_time(cluster, place):
    version = cluster.get(place)["metadata"]["resourceVersion"]
    query = {"resourceVersion": version, "fieldSelector": "metadata.name=none"}
    assert cluster.watch(place, timeout=1, **query).rest() == []


def test_objects_enter_and_leave_a_selection(cluster, place, config_map, new_name):
    name, label = new_name(), new_name()
    version = cluster.get(place)["metadata"]["resourceVersion"]
    cluster.create(place, config_map(name))
    cluster.patch(f"{place}/{name}", {"metadata": {"labels": {"in": label}}})
    cluster.patch(f"{place}/{name}", {"data": {"a": "2"}})
    cluster.patch(f"{place}/{name}", {"metadata": {"labels": None}})
    cluster.patch(f"{place}/{name}", {"data": {"a": "3"}})
    stream = cluster.watch(place, resourceVersion=version, labelSelector=f"in={label}", timeout=2)
    events = stream.rest()
    assert [(type_, obj["data"]["a"]) for type_, obj in events] == [
        ("ADDED", "b"),
        ("MODIFIED", "2"),
        ("DELETED", "2"),
    ]


def test_a_watch_of_one_namespace_sees_no_other(cluster, place, own_namespace, config_map, new_name):
    version = cluster.get(place)["metadata"]["resourceVersion"]
    cluster.create(f"/api/v1/namespaces/{own_namespace}/configmaps", config_map("elsewhere"))
    name = new_name()
    cluster.create(place, config_map(name))
    stream = cluster.watch(place, resourceVersion=version)
    assert stream.next()[1]["metadata"]["name"] == name
    stream.close()


def test_a_watch_of_all_namespaces_sees_each(cluster, own_namespace, config_map, new_name):
    version = cluster.get("/api/v1/configmaps")["metadata"]["resourceVersion"]
    name = new_name()
    cluster.create(f"/api/v1/namespaces/{own_namespace}/configmaps", config_map(name))
    stream = cluster.watch("/api/v1/configmaps", resourceVersion=version)
    assert stream.until("ADDED", name)["metadata"]["namespace"] == own_namespace
    stream.close()


def test_a_version_too_old_is_an_error_event_410(cluster, establish, new_definition, definitions):
    made = establish(new_definition())
    try:
        events = cluster.watch(f"/apis/{made['spec']['group']}/v1alpha1/widgets", resourceVersion="1").rest()
        assert [type_ for type_, _ in events] == ["ERROR"]
        status = events[0][1]
        assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
        assert "too old resource version" in status["message"]
    finally:
        cluster.delete(f"{definitions}/{made['metadata']['name']}")


def test_initial_events_end_with_a_bookmark(cluster, place, config_map, new_name):
    name = new_name()
    cluster.create(place, config_map(name))
    stream = cluster.watch(
        place, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true",
        fieldSelector=f"metadata.name={name}",
    )  # fmt: skip
    assert stream.next()[0] == "ADDED"
    type_, bookmark = stream.next()
    stream.close()
    assert type_ == "BOOKMARK"
    assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert bookmark["metadata"]["resourceVersion"].isdigit()


def test_initial_events_need_a_version_match(cluster, place):
    assert cluster.call("GET", place, watch="true", sendInitialEvents="true", timeoutSeconds=1).code == 422


def test_a_table_watch_sends_rows_and_headings_once(cluster, place, config_map, new_name):
    name = new_name()
    cluster.create(place, config_map(name))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    stream = cluster.watch(place, accept=accept, fieldSelector=f"metadata.name={name}")
    first = stream.next()[1]
    cluster.patch(f"{place}/{name}", {"data": {"b": "2"}})
    second = stream.next()[1]
    stream.close()
    assert first["kind"] == second["kind"] == "Table"
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert not second["columnDefinitions"]
    assert [row["cells"][:2] for row in second["rows"]] == [[name, 2]]
    assert second["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_custom_resources_are_watched_like_any_other(cluster, widgets, widget, new_name):
    version = cluster.get(widgets)["metadata"]["resourceVersion"]
    name = new_name()
    cluster.create(widgets, widget(name))
    cluster.patch(f"{widgets}/{name}/status", {"status": {"phase": "Up"}})
    stream = cluster.watch(widgets, resourceVersion=version, fieldSelector=f"metadata.name={name}")
    assert stream.next()[0] == "ADDED"
    type_, obj = stream.next()
    stream.close()
    assert (type_, obj["status"]) == ("MODIFIED", {"phase": "Up"})


def test_a_bad_selector_is_refused_before_the_stream(cluster, place):
    assert cluster.call("GET", place, watch="true", fieldSelector="spec.x=1", timeoutSeconds=1).code == 400
