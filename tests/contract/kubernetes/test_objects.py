"""Create, read, replace and delete, and what metadata does meanwhile."""

from __future__ import annotations

import pytest


def test_create_fills_in_metadata(cluster, base, config_map, new_name):
    made = cluster.create(f"{base}/configmaps", config_map(new_name(), labels={"app": "x"}))
    meta = made["metadata"]
    assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")
    assert len(meta["uid"]) == 36
    assert meta["creationTimestamp"].endswith("Z")
    assert meta["resourceVersion"].isdigit()
    assert meta["labels"] == {"app": "x"}
    read = cluster.get(f"{base}/configmaps/{meta['name']}")
    assert {**read["metadata"], "managedFields": None} == {**meta, "managedFields": None}


def test_create_answers_201_and_a_taken_name_409(cluster, base, config_map, new_name):
    body = config_map(new_name())
    assert cluster.call("POST", f"{base}/configmaps", body).code == 201
    status = cluster.call("POST", f"{base}/configmaps", body).refused(409, "AlreadyExists")
    assert status["message"] == f'configmaps "{body["metadata"]["name"]}" already exists'
    assert status["details"] == {"name": body["metadata"]["name"], "kind": "configmaps"}


def test_generate_name_adds_five_characters(cluster, base):
    made = [cluster.create(f"{base}/configmaps", {"metadata": {"generateName": "gen-"}}) for _ in range(2)]
    names = [entry["metadata"]["name"] for entry in made]
    assert names[0] != names[1]
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254, "dot.", "a b"])
def test_bad_names_are_invalid(cluster, base, config_map, name):
    status = cluster.call("POST", f"{base}/configmaps", config_map(name)).refused(422, "Invalid")
    assert status["details"]["causes"][0]["field"] == "metadata.name"


def test_a_name_is_required(cluster, base):
    status = cluster.call("POST", f"{base}/configmaps", {"metadata": {}}).refused(422, "Invalid")
    assert "metadata.name" in status["message"]


@pytest.mark.parametrize(
    ("meta", "field"),
    [
        ({"labels": {"a": "not valid!"}}, "metadata.labels"),
        ({"labels": {"a": "x" * 64}}, "metadata.labels"),
        ({"labels": {"bad key": "x"}}, "metadata.labels"),
        ({"annotations": {"bad key": "x"}}, "metadata.annotations"),
        ({"finalizers": ["plain"]}, "metadata.finalizers[0]"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "", "uid": "1"}]},
            "metadata.ownerReferences.name",
        ),
    ],
)
def test_bad_metadata_is_invalid(cluster, base, config_map, new_name, meta, field):
    status = cluster.call("POST", f"{base}/configmaps", config_map(new_name(), **meta)).refused(
        422, "Invalid"
    )
    assert field in [cause["field"] for cause in status["details"]["causes"]]


def test_annotations_have_a_size_limit(cluster, base, config_map, new_name):
    big = config_map(new_name(), annotations={"big": "x" * (256 * 1024)})
    cluster.call("POST", f"{base}/configmaps", big).refused(422, "Invalid")


def test_missing_objects_are_not_found(cluster, base):
    status = cluster.call("GET", f"{base}/configmaps/none").refused(404, "NotFound")
    assert status["message"] == 'configmaps "none" not found'
    assert status["details"] == {"name": "none", "kind": "configmaps"}


def test_missing_namespaces_are_not_found(cluster, config_map):
    status = cluster.call("POST", "/api/v1/namespaces/contract-none/configmaps", config_map("a")).refused(
        404, "NotFound"
    )
    assert status["message"] == 'namespaces "contract-none" not found'


def test_another_namespace_in_the_body_is_refused(cluster, base, config_map, new_name):
    cluster.call("POST", f"{base}/configmaps", config_map(new_name(), namespace="other")).refused(
        400, "BadRequest"
    )


def test_another_kind_in_the_body_is_refused(cluster, base, new_name):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": new_name()}}
    cluster.call("POST", f"{base}/configmaps", body).refused(400, "BadRequest")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"metadata": []}', b'{"metadata": {"name": 1}}', b'{"metadata":{"labels":{"a":1}}}'],
)
def test_bodies_that_are_no_objects_are_refused(cluster, base, body):
    cluster.call("POST", f"{base}/configmaps", body).refused(400, "BadRequest")


def test_unknown_media_types_are_refused(cluster, base, config_map, new_name):
    assert cluster.call("POST", f"{base}/configmaps", config_map(new_name()), media="text/plain").code == 415


def test_too_large_bodies_are_refused(cluster, base, config_map, new_name):
    big = config_map(new_name(), {"big": "x" * (4 * 1024 * 1024)})
    assert cluster.call("POST", f"{base}/configmaps", big).code == 413


def test_replace_changes_the_object_and_its_version(cluster, base, config_map, new_name):
    made = cluster.create(f"{base}/configmaps", config_map(new_name()))
    place = f"{base}/configmaps/{made['metadata']['name']}"
    made["data"] = {"c": "d"}
    changed = cluster.replace(place, made)
    assert changed["data"] == {"c": "d"}
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert changed["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]


def test_a_stale_replace_conflicts(cluster, base, config_map, new_name):
    made = cluster.create(f"{base}/configmaps", config_map(new_name()))
    place = f"{base}/configmaps/{made['metadata']['name']}"
    cluster.replace(place, {**made, "data": {"x": "1"}})
    status = cluster.call("PUT", place, {**made, "data": {"x": "2"}}).refused(409, "Conflict")
    assert "the object has been modified" in status["message"]


def test_a_replace_without_version_wins(cluster, base, config_map, new_name):
    body = config_map(new_name())
    cluster.create(f"{base}/configmaps", body)
    place = f"{base}/configmaps/{body['metadata']['name']}"
    assert cluster.replace(place, {**body, "data": {"x": "2"}})["data"] == {"x": "2"}


def test_a_replace_of_another_uid_conflicts(cluster, base, config_map, new_name):
    body = config_map(new_name())
    cluster.create(f"{base}/configmaps", body)
    body["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    cluster.call("PUT", f"{base}/configmaps/{body['metadata']['name']}", body).refused(409, "Conflict")


def test_a_replace_under_another_name_is_refused(cluster, base, config_map, new_name):
    body = config_map(new_name())
    cluster.create(f"{base}/configmaps", body)
    other = config_map(new_name())
    cluster.call("PUT", f"{base}/configmaps/{body['metadata']['name']}", other).refused(400, "BadRequest")


def test_a_replace_of_nothing_is_not_found(cluster, base, config_map):
    cluster.call("PUT", f"{base}/configmaps/none", config_map("none")).refused(404, "NotFound")


def test_a_write_without_change_keeps_the_version(cluster, base, config_map, new_name):
    made = cluster.create(f"{base}/configmaps", config_map(new_name()))
    place = f"{base}/configmaps/{made['metadata']['name']}"
    again = cluster.replace(place, made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    patched = cluster.patch(place, {"data": {"a": "b"}})
    assert patched["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_delete_answers_a_status_with_the_uid(cluster, base, config_map, new_name):
    made = cluster.create(f"{base}/configmaps", config_map(new_name()))
    name = made["metadata"]["name"]
    status = cluster.delete(f"{base}/configmaps/{name}")
    assert status["kind"] == "Status"
    assert status["status"] == "Success"
    assert status["details"] == {"name": name, "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert cluster.gone(f"{base}/configmaps/{name}")
    cluster.call("DELETE", f"{base}/configmaps/{name}").refused(404, "NotFound")


@pytest.mark.parametrize("precondition", ["uid", "resourceVersion"])
def test_delete_preconditions(cluster, base, config_map, new_name, precondition):
    made = cluster.create(f"{base}/configmaps", config_map(new_name()))
    place = f"{base}/configmaps/{made['metadata']['name']}"
    wrong = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {precondition: "1"}}
    cluster.call("DELETE", place, wrong).refused(409, "Conflict")
    right = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "preconditions": {precondition: made["metadata"][precondition]},
    }
    cluster.delete(place, right)
    assert cluster.gone(place)


def test_a_name_used_again_is_another_object(cluster, base, config_map, new_name):
    body = config_map(new_name())
    first = cluster.create(f"{base}/configmaps", body)
    cluster.delete(f"{base}/configmaps/{body['metadata']['name']}")
    second = cluster.create(f"{base}/configmaps", body)
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert int(first["metadata"]["resourceVersion"]) < int(second["metadata"]["resourceVersion"])


def test_dry_runs_change_nothing(cluster, base, config_map, new_name):
    body = config_map(new_name())
    place = f"{base}/configmaps/{body['metadata']['name']}"
    assert cluster.create(f"{base}/configmaps", body, dryRun="All")["metadata"]["uid"]
    assert cluster.gone(place)
    cluster.create(f"{base}/configmaps", body)
    assert cluster.patch(place, {"data": {"a": "c"}}, dryRun="All")["data"] == {"a": "c"}
    cluster.delete(place, dryRun="All")
    assert cluster.get(place)["data"] == {"a": "b"}


def test_delete_collection_takes_selectors(cluster, own_namespace, config_map):
    place = f"/api/v1/namespaces/{own_namespace}/configmaps"
    for index in range(4):
        cluster.create(place, config_map(f"c{index}", labels={"even": str(index % 2 == 0).lower()}))
    cluster.delete(place, labelSelector="even=true")
    left = {entry["metadata"]["name"] for entry in cluster.get(place)["items"]} - {"kube-root-ca.crt"}
    assert left == {"c1", "c3"}


@pytest.mark.parametrize(("mode", "code"), [("Strict", 400), ("Warn", 201), ("Ignore", 201)])
def test_unknown_fields(cluster, base, config_map, new_name, mode, code):
    body = {**config_map(new_name()), "surprise": 1}
    answer = cluster.call("POST", f"{base}/configmaps", body, fieldValidation=mode)
    assert answer.code == code, answer.body
    if mode == "Strict":
        assert 'strict decoding error: unknown field "surprise"' in answer.json["message"]
    else:
        assert "surprise" not in answer.json
        assert ("Warning" in answer.headers) is (mode == "Warn")
