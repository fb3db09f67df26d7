"""Lists: selectors, pages, versions."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def place(cluster, base):
    labels = [{"app": "a", "n": "1"}, {"app": "a", "n": "5"}, {"app": "b"}, {"other": "x"}, None]
    for index, given in enumerate(labels):
        meta = {"name": f"l{index}", **({"labels": given} if given else {})}
        cluster.create(f"{base}/secrets", {"metadata": meta, "type": "example/x" if index % 2 else "Opaque"})
    return f"{base}/secrets"


def names(found):
    return [entry["metadata"]["name"] for entry in found["items"]]


def test_a_list_is_ordered_and_has_a_version(cluster, place):
    found = cluster.get(place)
    assert (found["kind"], found["apiVersion"]) == ("SecretList", "v1")
    assert names(found) == ["l0", "l1", "l2", "l3", "l4"]
    assert found["metadata"]["resourceVersion"].isdigit()


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=a", "l0 l1"),
        ("app==a,n=5", "l1"),
        ("app!=a", "l2 l3 l4"),
        ("app in (a, b)", "l0 l1 l2"),
        ("app notin (a)", "l2 l3 l4"),
        ("app", "l0 l1 l2"),
        ("!app", "l3 l4"),
        ("n>2", "l1"),
        ("n<2", "l0"),
        ("app in (a),n notin (1),!other", "l1"),
        ("app=none", ""),
        ("n=", ""),
    ],
)
def test_label_selectors(cluster, place, selector, expected):
    assert " ".join(names(cluster.get(place, labelSelector=selector))) == expected


@pytest.mark.parametrize("selector", ["app in a", "=x", "a b", "app=(", "x in ()y"])
def test_malformed_label_selectors(cluster, place, selector):
    assert cluster.call("GET", place, labelSelector=selector).code == 400


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=l2", "l2"),
        ("metadata.name!=l2", "l0 l1 l3 l4"),
        ("type=Opaque", "l0 l2 l4"),
        ("type==Opaque,metadata.name=l4", "l4"),
        ("metadata.name=none", ""),
    ],
)
def test_field_selectors(cluster, place, selector, expected):
    assert " ".join(names(cluster.get(place, fieldSelector=selector))) == expected


@pytest.mark.parametrize("selector", ["spec.nothing=1", "data=1", "metadata.labels=x", "plain"])
def test_unsupported_field_selectors(cluster, place, selector):
    cluster.call("GET", place, fieldSelector=selector).refused(400, "BadRequest")


def test_all_namespaces(cluster, place, namespace):
    found = cluster.get("/api/v1/secrets", fieldSelector=f"metadata.namespace={namespace}")
    assert names(found) == ["l0", "l1", "l2", "l3", "l4"]


def test_pages(cluster, place):
    first = cluster.get(place, limit=2)
    assert names(first) == ["l0", "l1"]
    assert first["metadata"]["remainingItemCount"] == 3
    second = cluster.get(place, limit=2, **{"continue": first["metadata"]["continue"]})
    assert names(second) == ["l2", "l3"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    last = cluster.get(place, limit=2, **{"continue": second["metadata"]["continue"]})
    assert names(last) == ["l4"]
    assert "continue" not in last["metadata"]


def test_pages_show_the_list_as_it_was(cluster, own_namespace, config_map):
    place = f"/api/v1/namespaces/{own_namespace}/secrets"
    for index in range(4):
        cluster.create(place, {"metadata": {"name": f"p{index}"}})
    first = cluster.get(place, limit=2)
    cluster.create(place, {"metadata": {"name": "p9"}})
    cluster.delete(f"{place}/p3")
    rest = cluster.get(place, **{"continue": first["metadata"]["continue"]})
    assert names(rest) == ["p2", "p3"]


def test_pages_with_a_selector(cluster, place):
    first = cluster.get(place, limit=1, labelSelector="app=a")
    assert names(first) == ["l0"]
    rest = cluster.get(place, limit=5, labelSelector="app=a", **{"continue": first["metadata"]["continue"]})
    assert names(rest) == ["l1"]


def test_a_malformed_continue_token(cluster, place):
    assert cluster.call("GET", place, limit=1, **{"continue": "garbage"}).code == 400


def test_version_zero_means_any(cluster, place):
    assert names(cluster.get(place, resourceVersion="0")) == ["l0", "l1", "l2", "l3", "l4"]


def test_a_list_not_older_than_a_version(cluster, place):
    version = cluster.get(place)["metadata"]["resourceVersion"]
    found = cluster.get(place, resourceVersion=version, resourceVersionMatch="NotOlderThan")
    assert int(found["metadata"]["resourceVersion"]) >= int(version)


def test_a_version_that_is_no_number(cluster, place):
    assert cluster.call("GET", place, resourceVersion="soon").code == 400


def test_partial_metadata(cluster, place):
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    found = cluster.get(place, accept=accept)
    assert found["kind"] == "PartialObjectMetadataList"
    assert names(found) == ["l0", "l1", "l2", "l3", "l4"]
    assert "type" not in found["items"][0]


def test_an_accept_header_nothing_fits(cluster, place):
    assert cluster.call("GET", place, accept="text/html").code == 406


def test_custom_resources_are_listed_with_their_kind(cluster, widgets, widget, widget_group, new_name):
    name = new_name()
    cluster.create(widgets, widget(name))
    found = cluster.get(widgets, fieldSelector=f"metadata.name={name}")
    assert (found["kind"], found["apiVersion"]) == ("WidgetList", f"{widget_group}/v1alpha1")
    assert found["items"][0]["kind"] == "Widget"
