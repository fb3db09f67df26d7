"""Which groups, versions and resources there are."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
def test_health_answers_ok(cluster, path):
    answer = cluster.call("GET", path, accept="*/*")
    assert (answer.code, answer.body) == (200, b"ok")


def test_version_is_a_kubernetes_version(cluster):
    version = cluster.get("/version")
    assert version["major"] == "1"
    assert version["gitVersion"].startswith("v1.34.")


def test_core_versions(cluster):
    assert cluster.get("/api")["versions"] == ["v1"]


def test_groups_name_their_preferred_versions(cluster):
    groups = {group["name"]: group for group in cluster.get("/apis")["groups"]}
    for name in ("apiextensions.k8s.io", "coordination.k8s.io", "events.k8s.io", "authorization.k8s.io"):
        assert groups[name]["preferredVersion"] == {"groupVersion": f"{name}/v1", "version": "v1"}
        assert cluster.get(f"/apis/{name}")["kind"] == "APIGroup"


@pytest.mark.parametrize(
    ("path", "name", "kind", "namespaced", "short"),
    [
        ("/api/v1", "pods", "Pod", True, ["po"]),
        ("/api/v1", "namespaces", "Namespace", False, ["ns"]),
        ("/api/v1", "nodes", "Node", False, ["no"]),
        ("/api/v1", "configmaps", "ConfigMap", True, ["cm"]),
        ("/api/v1", "secrets", "Secret", True, None),
        ("/api/v1", "events", "Event", True, ["ev"]),
        ("/api/v1", "serviceaccounts", "ServiceAccount", True, ["sa"]),
        ("/api/v1", "resourcequotas", "ResourceQuota", True, ["quota"]),
        ("/apis/coordination.k8s.io/v1", "leases", "Lease", True, None),
        ("/apis/events.k8s.io/v1", "events", "Event", True, ["ev"]),
        (
            "/apis/apiextensions.k8s.io/v1",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            False,
            ["crd", "crds"],
        ),
    ],
)
def test_resources_are_described(cluster, path, name, kind, namespaced, short):
    found = {entry["name"]: entry for entry in cluster.get(path)["resources"]}[name]
    assert (found["kind"], found["namespaced"], found.get("shortNames")) == (kind, namespaced, short)
    assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(found["verbs"])


def test_pod_subresources_are_described(cluster):
    names = {entry["name"] for entry in cluster.get("/api/v1")["resources"]}
    assert {"pods/log", "pods/status", "pods/binding", "pods/eviction", "nodes/status"} <= names


def test_custom_resources_are_described(cluster, widget_group):
    listed = cluster.get(f"/apis/{widget_group}/v1alpha1")
    assert listed["groupVersion"] == f"{widget_group}/v1alpha1"
    resources = {entry["name"]: entry for entry in listed["resources"]}
    assert resources["widgets"]["shortNames"] == ["wd"]
    assert resources["widgets"]["singularName"] == "widget"
    assert set(resources["widgets/status"]["verbs"]) == {"get", "patch", "update"}


@pytest.mark.parametrize(
    "path", ["/apis/none.example.com", "/apis/none.example.com/v1", "/api/v1/unicorns", "/nowhere"]
)
def test_what_is_not_served_is_not_found(cluster, path):
    assert cluster.call("GET", path).code == 404


def test_openapi_lists_documents_with_hashes(cluster):
    paths = cluster.get("/openapi/v3")["paths"]
    for place in (
        "api/v1",
        "apis/coordination.k8s.io/v1",
        "apis/apiextensions.k8s.io/v1",
        "apis/events.k8s.io/v1",
    ):
        assert paths[place]["serverRelativeURL"].startswith(f"/openapi/v3/{place}?hash=")


def test_openapi_describes_built_in_fields_and_patch_keys(cluster):
    document = cluster.get("/openapi/v3/api/v1")
    assert document["openapi"].startswith("3.")
    spec = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]
    assert spec["properties"]["containers"]["x-kubernetes-patch-merge-key"] == "name"
    assert spec["required"] == ["containers"]
    patch = document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "kind": "Pod", "version": "v1"}


def test_openapi_describes_custom_resources(cluster, widget_group, eventually):
    place = f"apis/{widget_group}/v1alpha1"
    eventually(lambda: place in cluster.get("/openapi/v3")["paths"])
    document = cluster.get(f"/openapi/v3/{place}")
    gvk = {"group": widget_group, "version": "v1alpha1", "kind": "Widget"}
    schema = next(
        found
        for found in document["components"]["schemas"].values()
        if gvk in found.get("x-kubernetes-group-version-kind", [])
    )
    assert schema["properties"]["spec"]["properties"]["size"]["maximum"] == 10
    path = document["paths"][f"/apis/{widget_group}/v1alpha1/namespaces/{{namespace}}/widgets/{{name}}"]
    assert "application/strategic-merge-patch+json" not in path["patch"]["requestBody"]["content"]
