"""What goes when its owner, its namespace or its last finalizer goes."""

from __future__ import annotations

import pytest


@pytest.fixture
def place(base):
    return f"{base}/configmaps"


@pytest.fixture
def family(cluster, place, config_map, new_name):
    """Create an owner, a dependent and a dependent of the dependent."""

    def create(block=False):
        made = []
        for _ in range(3):
            meta = {}
            if made:
                owner = made[-1]["metadata"]
                reference = {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": owner["name"],
                    "uid": owner["uid"],
                    "blockOwnerDeletion": block,
                }
                meta["ownerReferences"] = [reference]
            made.append(cluster.create(place, config_map(new_name(), **meta)))
        return [entry["metadata"]["name"] for entry in made]

    return create


@pytest.mark.parametrize("options", [None, {"propagationPolicy": "Background"}])
def test_dependents_follow_in_the_background(cluster, place, family, eventually, options):
    owner, child, grandchild = family()
    cluster.delete(f"{place}/{owner}", options)
    assert cluster.gone(f"{place}/{owner}")
    eventually(lambda: cluster.gone(f"{place}/{child}") and cluster.gone(f"{place}/{grandchild}"))


def test_propagation_may_come_as_a_parameter(cluster, place, family, eventually):
    owner, child, _ = family()
    cluster.delete(f"{place}/{owner}", propagationPolicy="Background")
    eventually(lambda: cluster.gone(f"{place}/{child}"))


def test_foreground_deletes_dependents_first(cluster, place, family, eventually):
    owner, child, _ = family(block=True)
    cluster.patch(f"{place}/{child}", {"metadata": {"finalizers": ["limosa.test/hold"]}})
    held = cluster.delete(f"{place}/{owner}", {"propagationPolicy": "Foreground"})
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    eventually(lambda: "deletionTimestamp" in cluster.get(f"{place}/{child}")["metadata"])
    assert not cluster.gone(f"{place}/{owner}")
    cluster.patch(f"{place}/{child}", {"metadata": {"finalizers": None}})
    eventually(lambda: cluster.gone(f"{place}/{child}") and cluster.gone(f"{place}/{owner}"))


def test_orphans_stay(cluster, place, family, eventually):
    owner, child, _ = family()
    cluster.delete(f"{place}/{owner}", {"propagationPolicy": "Orphan"})
    eventually(lambda: cluster.gone(f"{place}/{owner}"))
    assert "ownerReferences" not in cluster.get(f"{place}/{child}")["metadata"]


def test_an_unknown_propagation_is_refused(cluster, place, family):
    owner, _, _ = family()
    cluster.call("DELETE", f"{place}/{owner}", {"propagationPolicy": "Sideways"}).refused(422, "Invalid")


def test_a_dependent_of_nobody_is_collected(cluster, place, config_map, new_name, eventually):
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "none",
        "uid": "00000000-0000-0000-0000-000000000000",
    }
    name = new_name()
    cluster.create(place, config_map(name, ownerReferences=[reference]))
    eventually(lambda: cluster.gone(f"{place}/{name}"))


def test_one_living_owner_is_enough(cluster, place, config_map, new_name, eventually):
    owners = [cluster.create(place, config_map(new_name()))["metadata"] for _ in range(2)]
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["name"], "uid": owner["uid"]}
        for owner in owners
    ]
    name = new_name()
    cluster.create(place, config_map(name, ownerReferences=references))
    cluster.delete(f"{place}/{owners[0]['name']}", {"propagationPolicy": "Background"})
    eventually(lambda: cluster.gone(f"{place}/{owners[0]['name']}"))
    eventually(lambda: len(cluster.get(f"{place}/{name}")["metadata"]["ownerReferences"]) == 1)
    cluster.delete(f"{place}/{owners[1]['name']}", {"propagationPolicy": "Background"})
    eventually(lambda: cluster.gone(f"{place}/{name}"))


def test_pods_follow_a_custom_resource(
    cluster, base, widgets, widget, widget_group, pod, new_name, eventually
):
    owner = cluster.create(widgets, widget(new_name()))["metadata"]
    reference = {
        "apiVersion": f"{widget_group}/v1alpha1",
        "kind": "Widget",
        "name": owner["name"],
        "uid": owner["uid"],
        "controller": True,
    }
    names = [new_name() for _ in range(3)]
    for name in names:
        body = pod(name)
        body["metadata"]["ownerReferences"] = [reference]
        cluster.create(f"{base}/pods", body)
    cluster.delete(f"{widgets}/{owner['name']}")
    eventually(lambda: all(cluster.gone(f"{base}/pods/{name}") for name in names))


def test_a_finalizer_holds_an_object(cluster, place, config_map, new_name):
    name = new_name()
    cluster.create(place, config_map(name, finalizers=["limosa.test/hold"]))
    held = cluster.delete(f"{place}/{name}")
    assert held["kind"] == "ConfigMap"
    stamp = held["metadata"]["deletionTimestamp"]
    assert cluster.delete(f"{place}/{name}")["metadata"]["deletionTimestamp"] == stamp
    changed = cluster.patch(f"{place}/{name}", {"data": {"still": "writable"}})
    assert changed["data"]["still"] == "writable"
    cluster.patch(f"{place}/{name}", {"metadata": {"finalizers": None}})
    assert cluster.gone(f"{place}/{name}")


def test_a_watch_sees_marking_and_removal(cluster, place, config_map, new_name):
    name = new_name()
    made = cluster.create(place, config_map(name, finalizers=["limosa.test/hold"]))
    cluster.delete(f"{place}/{name}")
    cluster.patch(f"{place}/{name}", {"metadata": {"finalizers": None}})
    version = made["metadata"]["resourceVersion"]
    stream = cluster.watch(place, resourceVersion=version, fieldSelector=f"metadata.name={name}", timeout=2)
    types = [type_ for type_, _ in stream.rest()]
    assert types[0] == "MODIFIED"
    assert types[-1] == "DELETED"


def test_a_namespace_takes_its_contents_along(
    cluster, own_namespace, config_map, pod, widget, widget_group, eventually
):
    base = f"/api/v1/namespaces/{own_namespace}"
    cluster.create(f"{base}/configmaps", config_map("a"))
    cluster.create(f"{base}/pods", pod("p"))
    cluster.create(f"/apis/{widget_group}/v1alpha1/namespaces/{own_namespace}/widgets", widget("w"))
    deleted = cluster.delete(base)
    assert deleted["status"]["phase"] == "Terminating"
    eventually(lambda: cluster.gone(base))
    assert cluster.gone(f"{base}/configmaps/a")
    assert cluster.gone(f"/apis/{widget_group}/v1alpha1/namespaces/{own_namespace}/widgets/w")


def test_a_terminating_namespace_takes_nothing_new_and_waits(cluster, own_namespace, config_map, eventually):
    base = f"/api/v1/namespaces/{own_namespace}"
    cluster.create(f"{base}/configmaps", config_map("held", finalizers=["limosa.test/hold"]))
    cluster.delete(base)
    eventually(lambda: "deletionTimestamp" in cluster.get(f"{base}/configmaps/held")["metadata"])
    status = cluster.call("POST", f"{base}/configmaps", config_map("late")).refused(403, "Forbidden")
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert cluster.get(base)["status"]["phase"] == "Terminating"
    cluster.patch(f"{base}/configmaps/held", {"metadata": {"finalizers": None}})
    eventually(lambda: cluster.gone(base))


@pytest.mark.parametrize("name", ["default", "kube-system"])
def test_system_namespaces_stay(cluster, name):
    cluster.call("DELETE", f"/api/v1/namespaces/{name}").refused(403, "Forbidden")


def test_the_cluster_has_an_identity(cluster):
    assert len(cluster.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]) == 36
