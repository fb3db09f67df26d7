"""Merge, JSON and strategic merge patches, and the status subresource."""

from __future__ import annotations

import pytest


@pytest.fixture
def place(cluster, base, config_map, new_name):
    body = config_map(new_name(), {"a": "1", "b": "2"}, labels={"x": "1"})
    cluster.create(f"{base}/configmaps", body)
    return f"{base}/configmaps/{body['metadata']['name']}"


def test_merge_patch_sets_and_removes(cluster, place):
    patched = cluster.patch(place, {"data": {"a": None, "c": "3"}, "metadata": {"labels": None}})
    assert patched["data"] == {"b": "2", "c": "3"}
    assert "labels" not in patched["metadata"]


def test_json_patch_operations(cluster, place):
    operations = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "9"},
        {"op": "remove", "path": "/data/b"},
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/metadata/annotations/example.com~1note", "value": "hello"},
        {"op": "copy", "from": "/data/a", "path": "/data/c"},
    ]
    patched = cluster.patch(place, operations, "json")
    assert patched["data"] == {"a": "9", "c": "9"}
    assert patched["metadata"]["annotations"] == {"example.com/note": "hello"}


def test_a_failed_json_patch_test_changes_nothing(cluster, place):
    operations = [
        {"op": "replace", "path": "/data/a", "value": "9"},
        {"op": "test", "path": "/data/b", "value": "nope"},
    ]
    assert cluster.try_patch(place, operations, "json").code == 422
    assert cluster.get(place)["data"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([{"op": "remove", "path": "/data/none"}], 422),
        ([{"op": "replace", "path": "/spec/none", "value": 1}], 422),
        ({"op": "remove"}, 400),
    ],
)
def test_json_patches_that_do_not_apply(cluster, place, operations, code):
    assert cluster.try_patch(place, operations, "json").code == code


@pytest.mark.parametrize("body", [b"{", b'"text"'])
def test_malformed_merge_patches(cluster, place, body):
    assert cluster.try_patch(place, body).code == 400


def test_a_patch_with_a_stale_version_conflicts(cluster, place):
    version = cluster.get(place)["metadata"]["resourceVersion"]
    cluster.patch(place, {"data": {"a": "2"}})
    cluster.try_patch(place, {"metadata": {"resourceVersion": version}, "data": {"a": "3"}}).refused(
        409, "Conflict"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("uid", "00000000-0000-0000-0000-000000000000"), ("deletionTimestamp", "2001-01-01T00:00:00Z")],
)
def test_identity_and_deletion_cannot_be_patched(cluster, place, field, value):
    status = cluster.try_patch(place, {"metadata": {field: value}}).refused(422, "Invalid")
    assert status["details"]["causes"][0]["field"] == f"metadata.{field}"


def test_a_patch_cannot_rename(cluster, place):
    assert cluster.try_patch(place, {"metadata": {"name": "other"}}).code in (400, 422)


def test_a_patch_of_nothing_is_not_found(cluster, base):
    cluster.try_patch(f"{base}/configmaps/none", {"data": {}}).refused(404, "NotFound")


def test_system_fields_are_kept(cluster, place):
    before = cluster.get(place)["metadata"]
    changed = {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}
    after = cluster.patch(place, {"metadata": {**changed, "labels": {"y": "1"}}})["metadata"]
    assert after["creationTimestamp"] == before["creationTimestamp"]
    assert "generation" not in after


def test_strategic_patch_merges_containers_by_name(cluster, base, pod, new_name):
    containers = [{"name": "one", "image": "example/a:1"}, {"name": "two", "image": "example/b:1"}]
    body = pod(new_name(), containers=containers)
    cluster.create(f"{base}/pods", body)
    place = f"{base}/pods/{body['metadata']['name']}"
    patched = cluster.patch(
        place, {"spec": {"containers": [{"name": "two", "image": "example/b:2"}]}}, "strategic"
    )
    assert [entry["image"] for entry in patched["spec"]["containers"]] == ["example/a:1", "example/b:2"]
    assert patched["metadata"]["generation"] == 2


def test_strategic_patch_directives(cluster, base, pod, new_name):
    body = pod(new_name())
    body["metadata"].update(finalizers=["limosa.test/a", "limosa.test/b"], labels={"a": "1", "b": "2"})
    cluster.create(f"{base}/pods", body)
    place = f"{base}/pods/{body['metadata']['name']}"
    added = cluster.patch(place, {"metadata": {"finalizers": ["limosa.test/c"]}}, "strategic")
    assert sorted(added["metadata"]["finalizers"]) == ["limosa.test/a", "limosa.test/b", "limosa.test/c"]
    removal = {
        "metadata": {
            "$deleteFromPrimitiveList/finalizers": ["limosa.test/a", "limosa.test/b", "limosa.test/c"]
        }
    }
    assert "finalizers" not in cluster.patch(place, removal, "strategic")["metadata"]
    replaced = cluster.patch(place, {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}, "strategic")
    assert replaced["metadata"]["labels"] == {"c": "3"}


def test_strategic_patch_deletes_list_entries_by_key(cluster, base, pod, new_name):
    body = pod(new_name())
    cluster.create(f"{base}/pods", body)
    place = f"{base}/pods/{body['metadata']['name']}"
    conditions = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False"}]
    cluster.patch(f"{place}/status", {"status": {"conditions": conditions}}, "strategic")
    changed = [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "$patch": "delete"}]
    patched = cluster.patch(f"{place}/status", {"status": {"conditions": changed}}, "strategic")
    assert {entry["type"]: entry["status"] for entry in patched["status"]["conditions"]} == {"Ready": "True"}


def test_strategic_patch_keeps_to_set_element_order(cluster, base, pod, new_name):
    body = pod(new_name())
    cluster.create(f"{base}/pods", body)
    place = f"{base}/pods/{body['metadata']['name']}/status"
    cluster.patch(
        place,
        {"status": {"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]}},
        "strategic",
    )
    patch = {
        "$setElementOrder/conditions": [{"type": "B"}, {"type": "C"}, {"type": "A"}],
        "conditions": [{"type": "C", "status": "True"}],
    }
    patched = cluster.patch(place, {"status": patch}, "strategic")
    assert [entry["type"] for entry in patched["status"]["conditions"]] == ["B", "C", "A"]


def test_custom_resources_take_no_strategic_patch(cluster, widgets, widget, new_name):
    name = new_name()
    cluster.create(widgets, widget(name))
    cluster.try_patch(f"{widgets}/{name}", {"spec": {"size": 4}}, "strategic").refused(
        415, "UnsupportedMediaType"
    )


def test_status_is_written_only_through_its_subresource(cluster, widgets, widget, new_name):
    name = new_name()
    made = cluster.create(widgets, {**widget(name), "status": {"phase": "Early"}})
    assert "status" not in made
    assert "status" not in cluster.patch(f"{widgets}/{name}", {"status": {"phase": "Up"}})
    patched = cluster.patch(f"{widgets}/{name}/status", {"status": {"phase": "Up"}, "spec": {"size": 9}})
    assert patched["status"] == {"phase": "Up"}
    assert patched["spec"]["size"] == 3
    replaced = cluster.replace(
        f"{widgets}/{name}", {**patched, "spec": {"size": 4}, "status": {"phase": "Down"}}
    )
    assert (replaced["spec"]["size"], replaced["status"]) == (4, {"phase": "Up"})
    read = cluster.get(f"{widgets}/{name}/status")
    assert read["status"] == {"phase": "Up"}
    replaced["status"] = {"phase": "Gone"}
    assert cluster.replace(f"{widgets}/{name}/status", replaced)["status"] == {"phase": "Gone"}


def test_generation_counts_changes_of_the_desired_state(cluster, widgets, widget, new_name):
    name = new_name()
    assert cluster.create(widgets, widget(name))["metadata"]["generation"] == 1
    assert (
        cluster.patch(f"{widgets}/{name}/status", {"status": {"phase": "Up"}})["metadata"]["generation"] == 1
    )
    assert (
        cluster.patch(f"{widgets}/{name}", {"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"]
        == 1
    )
    assert cluster.patch(f"{widgets}/{name}", {"spec": {"size": 5}})["metadata"]["generation"] == 2


def test_status_writes_leave_metadata_of_custom_resources_alone(cluster, widgets, widget, new_name):
    name = new_name()
    cluster.create(widgets, widget(name))
    patched = cluster.patch(
        f"{widgets}/{name}/status", {"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Up"}}
    )
    assert "labels" not in patched["metadata"]


def test_replace_of_a_custom_resource_needs_its_version(cluster, widgets, widget, new_name):
    name = new_name()
    cluster.create(widgets, widget(name))
    status = cluster.call("PUT", f"{widgets}/{name}", widget(name)).refused(422, "Invalid")
    assert status["details"]["causes"][0]["field"] == "metadata.resourceVersion"


def test_an_unknown_patch_type_is_refused(cluster, place):
    assert cluster.call("PATCH", place, {"data": {}}, media="application/x-patch").code == 415
