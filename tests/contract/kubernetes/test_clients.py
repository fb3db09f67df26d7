"""The kubernetes package, as Python programs use it."""

from __future__ import annotations

import kubernetes
import pytest
from kubernetes.client.rest import ApiException


@pytest.fixture
def core(cluster):
    return kubernetes.client.CoreV1Api(cluster.client)


def test_typed_objects(core, namespace, new_name):
    meta = kubernetes.client.V1ObjectMeta(name=new_name(), labels={"a": "b"})
    spec = kubernetes.client.V1PodSpec(
        scheduler_name="nobody",
        restart_policy="Never",
        containers=[kubernetes.client.V1Container(name="main", image="a:1")],
    )
    made = core.create_namespaced_pod(namespace, kubernetes.client.V1Pod(metadata=meta, spec=spec))
    assert made.status.phase == "Pending"
    assert made.metadata.creation_timestamp.tzinfo is not None
    assert core.read_namespaced_pod(made.metadata.name, namespace).metadata.uid == made.metadata.uid
    core.patch_namespaced_pod(made.metadata.name, namespace, {"metadata": {"labels": {"c": "d"}}})
    found = core.list_namespaced_pod(namespace, label_selector="a=b,c=d").items
    assert [entry.metadata.name for entry in found] == [made.metadata.name]
    core.delete_namespaced_pod(made.metadata.name, namespace, grace_period_seconds=0)
    with pytest.raises(ApiException) as caught:
        core.read_namespaced_pod(made.metadata.name, namespace)
    assert caught.value.status == 404


def test_typed_watch(core, namespace, new_name):
    version = core.list_namespaced_config_map(namespace).metadata.resource_version
    name = new_name()
    core.create_namespaced_config_map(namespace, {"metadata": {"name": name}, "data": {"a": "b"}})
    watch = kubernetes.watch.Watch()
    for event in watch.stream(
        core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=10
    ):
        if event["object"].metadata.name == name:
            assert event["type"] == "ADDED"
            watch.stop()


def test_custom_objects(cluster, widget_group, namespace, widget, new_name):
    objects = kubernetes.client.CustomObjectsApi(cluster.client)
    name = new_name()
    place = (widget_group, "v1alpha1", namespace, "widgets")
    objects.create_namespaced_custom_object(*place, widget(name))
    objects.patch_namespaced_custom_object_status(*place, name, {"status": {"phase": "Up"}})
    assert objects.get_namespaced_custom_object(*place, name)["status"] == {"phase": "Up"}
    objects.delete_namespaced_custom_object(*place, name)
    assert name not in [
        entry["metadata"]["name"] for entry in objects.list_namespaced_custom_object(*place)["items"]
    ]


def test_leases(cluster, namespace, new_name):
    api = kubernetes.client.CoordinationV1Api(cluster.client)
    spec = kubernetes.client.V1LeaseSpec(holder_identity="a", lease_duration_seconds=15)
    made = api.create_namespaced_lease(
        namespace, kubernetes.client.V1Lease(metadata={"name": new_name()}, spec=spec)
    )
    assert made.spec.holder_identity == "a"


def test_version_and_resources(cluster):
    assert kubernetes.client.VersionApi(cluster.client).get_code().major == "1"
    names = {
        entry.name for entry in kubernetes.client.CoreV1Api(cluster.client).get_api_resources().resources
    }
    assert "pods" in names
