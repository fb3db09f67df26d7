"""Custom resource definitions and the objects they define."""

from __future__ import annotations

import pytest


def test_a_definition_is_established_and_served(cluster, establish, new_definition, definitions, eventually):
    made = establish(new_definition())
    name = made["metadata"]["name"]
    assert made["status"]["acceptedNames"]["plural"] == "widgets"
    assert made["status"]["storedVersions"] == ["v1alpha1"]
    assert {entry["type"]: entry["status"] for entry in made["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    path = f"/apis/{made['spec']['group']}/v1alpha1/namespaces/default/widgets"
    body = {
        "apiVersion": f"{made['spec']['group']}/v1alpha1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"size": 1},
    }
    cluster.create(path, body)
    cluster.delete(f"{definitions}/{name}")
    eventually(lambda: cluster.gone(f"{definitions}/{name}"))
    eventually(lambda: cluster.call("GET", path).code == 404)


def change(definition, path, value):
    node = definition
    for part in path[:-1]:
        node = node[part]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value


VERSION = ("spec", "versions", 0)
SCHEMA = (*VERSION, "schema", "openAPIV3Schema")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("metadata", "name"), "gadgets.example.com"),
        (("spec", "names", "kind"), None),
        (("spec", "scope"), "Galaxy"),
        (("spec", "versions"), []),
        ((*VERSION, "storage"), False),
        ((*VERSION, "schema"), None),
        ((*SCHEMA, "type"), "string"),
        ((*SCHEMA, "properties", "spec", "properties", "size"), {"minimum": 1}),
        ((*VERSION, "additionalPrinterColumns", 0, "type"), "colour"),
    ],
)
def test_bad_definitions_are_invalid(cluster, definitions, new_definition, path, value):
    definition = new_definition()
    change(definition, path, value)
    cluster.call("POST", definitions, definition).refused(422, "Invalid")


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"size": 0}, "spec.size", "FieldValueInvalid"),
        ({"size": 11}, "spec.size", "FieldValueInvalid"),
        ({"size": "big"}, "spec.size", "FieldValueTypeInvalid"),
        ({"size": 1.5}, "spec.size", "FieldValueTypeInvalid"),
        ({"size": None}, "spec.size", "FieldValueRequired"),
        ({"color": "blue"}, "spec.color", "FieldValueNotSupported"),
        ({"tag": "bcd"}, "spec.tag", "FieldValueInvalid"),
        ({"tag": "aaaaaaa"}, "spec.tag", "FieldValueTooLong"),
        ({"parts": [{}]}, "spec.parts[0].name", "FieldValueRequired"),
        ({"parts": [{"name": "a"}] * 3}, "spec.parts", "FieldValueTooMany"),
        ({"parts": "a"}, "spec.parts", "FieldValueTypeInvalid"),
        ({"labels": {"a": 1}}, "spec.labels.a", "FieldValueTypeInvalid"),
        ({"either": True}, "spec.either", "FieldValueTypeInvalid"),
    ],
)
def test_schema_violations_are_invalid(cluster, widgets, widget, new_name, spec, field, reason):
    status = cluster.call("POST", widgets, widget(new_name(), **spec)).refused(422, "Invalid")
    assert (field, reason) in [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]]
    assert status["details"]["kind"] == "Widget"


def test_required_fields(cluster, widgets, widget, new_name):
    body = widget(new_name())
    del body["spec"]["size"]
    status = cluster.call("POST", widgets, body).refused(422, "Invalid")
    assert status["details"]["causes"] == [
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.size"}
    ]
    assert status["message"].endswith("is invalid: spec.size: Required value")


def test_defaults_and_pruning(cluster, widgets, widget, new_name):
    spec = {
        "surprise": 1,
        "parts": [{"name": "a", "extra": 2}],
        "free": {"any": {"thing": [1]}},
        "maybe": None,
        "either": "5",
        "tag": None,
        "labels": {"a": None},
    }
    made = cluster.create(widgets, {**widget(new_name(), **spec), "top": 1})
    assert "top" not in made
    assert made["spec"] == {
        "size": 3, "color": "red", "parts": [{"name": "a", "on": True}], "free": {"any": {"thing": [1]}}, "maybe": None, "either": "5",
        "labels": {},
    }  # fmt: skip


def test_changes_are_validated_too(cluster, widgets, widget, new_name):
    name = new_name()
    cluster.create(widgets, widget(name))
    cluster.try_patch(f"{widgets}/{name}", {"spec": {"size": 99}}).refused(422, "Invalid")
    cluster.try_patch(f"{widgets}/{name}/status", {"status": {"seen": "many"}}).refused(422, "Invalid")
    assert cluster.patch(f"{widgets}/{name}/status", {"status": {"seen": 1, "other": 2}})["status"] == {
        "seen": 1
    }


@pytest.mark.parametrize(("mode", "code"), [("Strict", 400), ("Warn", 201)])
def test_unknown_fields(cluster, widgets, widget, new_name, mode, code):
    answer = cluster.call("POST", widgets, widget(new_name(), surprise=1), fieldValidation=mode)
    assert answer.code == code
    if mode == "Strict":
        assert 'unknown field "spec.surprise"' in answer.json["message"]
    else:
        assert 'unknown field \\"spec.surprise\\"' in answer.headers["Warning"]


def test_another_group_in_the_body_is_refused(cluster, widgets, widget, new_name):
    body = {**widget(new_name()), "apiVersion": "example.com/v1"}
    cluster.call("POST", widgets, body).refused(400, "BadRequest")


def test_new_columns_and_rules_apply_at_once(cluster, establish, new_definition, definitions, eventually):
    made = establish(new_definition())
    name, group = made["metadata"]["name"], made["spec"]["group"]
    size = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum"
    cluster.patch(f"{definitions}/{name}", [{"op": "replace", "path": size, "value": 20}], "json")
    path = f"/apis/{group}/v1alpha1/namespaces/default/widgets"
    body = {
        "apiVersion": f"{group}/v1alpha1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"size": 15},
    }
    eventually(lambda: cluster.call("POST", path, body, dryRun="All").code == 201)
    cluster.delete(f"{definitions}/{name}")


def test_a_second_served_version(cluster, establish, new_definition, definitions, eventually):
    definition = new_definition()
    version = definition["spec"]["versions"][0]
    definition["spec"]["versions"].append({**version, "name": "v1beta1", "storage": False})
    made = establish(definition)
    group = made["spec"]["group"]
    old, new = (f"/apis/{group}/{name}/namespaces/default/widgets" for name in ("v1alpha1", "v1beta1"))
    cluster.create(
        old,
        {"apiVersion": f"{group}/v1alpha1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}},
    )
    assert cluster.get(f"{new}/w")["apiVersion"] == f"{group}/v1beta1"
    assert cluster.get(new)["items"][0]["apiVersion"] == f"{group}/v1beta1"
    assert cluster.patch(f"{new}/w", {"spec": {"size": 2}})["apiVersion"] == f"{group}/v1beta1"
    assert cluster.get(f"{old}/w")["spec"]["size"] == 2
    cluster.delete(f"{definitions}/{made['metadata']['name']}")


def test_a_deleted_definition_waits_for_its_objects(
    cluster, establish, new_definition, definitions, eventually
):
    made = establish(new_definition())
    name, group = made["metadata"]["name"], made["spec"]["group"]
    path = f"/apis/{group}/v1alpha1/namespaces/default/widgets"
    meta = {"name": "w", "finalizers": ["limosa.test/hold"]}
    cluster.create(
        path, {"apiVersion": f"{group}/v1alpha1", "kind": "Widget", "metadata": meta, "spec": {"size": 1}}
    )
    cluster.delete(f"{definitions}/{name}")
    eventually(lambda: "deletionTimestamp" in cluster.get(f"{path}/w")["metadata"])
    assert not cluster.gone(f"{definitions}/{name}")
    cluster.patch(f"{path}/w", {"metadata": {"finalizers": None}})
    eventually(lambda: cluster.gone(f"{definitions}/{name}"))
