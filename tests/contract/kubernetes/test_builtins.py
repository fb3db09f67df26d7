"""Config maps, secrets, events, leases, nodes, quotas and access reviews."""

from __future__ import annotations

import base64

import pytest


def b64(text):
    return base64.b64encode(text.encode()).decode()


def test_secret_string_data_is_encoded(cluster, base, new_name):
    body = {
        "metadata": {"name": new_name()},
        "stringData": {"a": "x", "b": "y"},
        "data": {"b": b64("old"), "c": b64("z")},
    }
    made = cluster.create(f"{base}/secrets", body)
    assert made["type"] == "Opaque"
    assert made["data"] == {"a": b64("x"), "b": b64("y"), "c": b64("z")}
    assert "stringData" not in made
    patched = cluster.patch(f"{base}/secrets/{body['metadata']['name']}", {"stringData": {"a": "new"}})
    assert patched["data"]["a"] == b64("new")


def test_secret_data_must_be_base64(cluster, base, new_name):
    body = {"metadata": {"name": new_name()}, "data": {"a": "not base64!"}}
    cluster.call("POST", f"{base}/secrets", body).refused(400, "BadRequest")


def test_a_secret_keeps_its_type(cluster, base, new_name):
    name = new_name()
    cluster.create(f"{base}/secrets", {"metadata": {"name": name}})
    cluster.try_patch(f"{base}/secrets/{name}", {"type": "other/type"}).refused(422, "Invalid")


@pytest.mark.parametrize("resource", ["configmaps", "secrets"])
def test_immutable_data(cluster, base, new_name, resource):
    name = new_name()
    cluster.create(
        f"{base}/{resource}", {"metadata": {"name": name}, "immutable": True, "data": {"a": b64("1")}}
    )
    cluster.try_patch(f"{base}/{resource}/{name}", {"data": {"a": b64("2")}}).refused(422, "Invalid")
    cluster.try_patch(f"{base}/{resource}/{name}", {"immutable": False}).refused(422, "Invalid")
    cluster.patch(f"{base}/{resource}/{name}", {"metadata": {"labels": {"a": "b"}}})


@pytest.mark.parametrize("resource", ["configmaps", "secrets"])
@pytest.mark.parametrize("key", ["a b", "a/b", "ä", ".."])
def test_bad_keys_are_invalid(cluster, base, new_name, resource, key):
    body = {"metadata": {"name": new_name()}, "data": {key: b64("1")}}
    cluster.call("POST", f"{base}/{resource}", body).refused(422, "Invalid")


def test_config_map_size_limit(cluster, base, config_map, new_name):
    cluster.call(
        "POST", f"{base}/configmaps", config_map(new_name(), {"a": "x" * (1024 * 1024 + 1)})
    ).refused(422, "Invalid")


def test_config_map_binary_data(cluster, base, new_name):
    body = {"metadata": {"name": new_name()}, "binaryData": {"a": b64("x")}, "data": {"a": "y"}}
    cluster.call("POST", f"{base}/configmaps", body).refused(422, "Invalid")


def event(name, namespace, **fields):
    involved = {"kind": "Pod", "namespace": namespace, "name": "p1", "uid": "1", "apiVersion": "v1"}
    stamps = {"firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 1}
    return {
        "metadata": {"name": name}, "involvedObject": involved, "reason": "Tested", "message": "It was.", "type": "Normal",
        "source": {"component": "contract"}, **stamps, **fields,
    }  # fmt: skip


def test_events_are_found_by_what_they_concern(cluster, own_namespace):
    place = f"/api/v1/namespaces/{own_namespace}/events"
    cluster.create(place, event("e1", own_namespace))
    cluster.create(place, event("e2", own_namespace, type="Warning", reason="Other"))

    def found(selector):
        return [entry["metadata"]["name"] for entry in cluster.get(place, fieldSelector=selector)["items"]]

    assert found("involvedObject.name=p1,involvedObject.kind=Pod,involvedObject.uid=1") == ["e1", "e2"]
    assert found("type=Warning") == ["e2"]
    assert found("type!=Warning") == ["e1"]
    assert found("reason=Tested,source=contract") == ["e1"]


def test_events_have_two_faces(cluster, own_namespace):
    cluster.create(f"/api/v1/namespaces/{own_namespace}/events", event("e1", own_namespace))
    new = cluster.get(f"/apis/events.k8s.io/v1/namespaces/{own_namespace}/events/e1")
    assert new["apiVersion"] == "events.k8s.io/v1"
    assert (new["note"], new["regarding"]["name"], new["deprecatedCount"]) == ("It was.", "p1", 1)
    body = {
        "metadata": {"name": "e2"}, "regarding": {"kind": "Pod", "namespace": own_namespace, "name": "p2"}, "note": "New.",
        "reason": "Tested", "type": "Normal", "action": "Testing", "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "limosa.test/contract", "reportingInstance": "c-1",
    }  # fmt: skip
    cluster.create(f"/apis/events.k8s.io/v1/namespaces/{own_namespace}/events", body)
    old = cluster.get(f"/api/v1/namespaces/{own_namespace}/events/e2")
    assert (old["message"], old["involvedObject"]["name"], old["reportingComponent"]) == (
        "New.",
        "p2",
        "limosa.test/contract",
    )


def test_an_event_lives_in_the_namespace_of_its_object(cluster, base, new_name):
    cluster.call("POST", f"{base}/events", event(new_name(), "elsewhere")).refused(422, "Invalid")


@pytest.fixture
def leases(namespace):
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def test_a_lease_is_taken_by_the_first(cluster, leases, new_name):
    stamp = "2026-01-01T00:00:00.000000Z"
    spec = {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": stamp,
        "renewTime": stamp,
        "leaseTransitions": 0,
    }
    body = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": new_name()},
        "spec": spec,
    }
    first = cluster.create(leases, body)
    assert first["spec"] == spec
    cluster.call("POST", leases, body).refused(409, "AlreadyExists")
    place = f"{leases}/{body['metadata']['name']}"
    first["spec"]["holderIdentity"] = "b"
    second = cluster.replace(place, first)
    assert second["spec"]["holderIdentity"] == "b"
    cluster.call("PUT", place, first).refused(409, "Conflict")


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"leaseDurationSeconds": 0}, 422),
        ({"leaseTransitions": -1}, 422),
        ({"renewTime": "2026-01-01T00:00:00Z"}, 400),
        ({"renewTime": "now"}, 400),
        ({"leaseDurationSeconds": "15"}, 400),
    ],
)
def test_bad_leases(cluster, leases, new_name, spec, code):
    assert cluster.call("POST", leases, {"metadata": {"name": new_name()}, "spec": spec}).code == code


def test_a_node_keeps_status_and_specification_apart(cluster, new_name):
    name = f"contract-{new_name()}"
    body = {"metadata": {"name": name, "labels": {"a": "b"}}, "spec": {"unschedulable": True}}
    cluster.create("/api/v1/nodes", body)
    try:
        place = f"/api/v1/nodes/{name}"
        amounts = {"cpu": "4", "memory": "8Gi", "pods": "110", "nvidia.com/gpu": "2"}
        status = {"status": {"capacity": amounts, "allocatable": amounts}, "spec": {"unschedulable": False}}
        changed = cluster.patch(f"{place}/status", status, "strategic")
        assert changed["status"]["allocatable"]["nvidia.com/gpu"] == "2"
        assert changed["spec"]["unschedulable"] is True
        assert cluster.get("/api/v1/nodes", fieldSelector="spec.unschedulable=true,metadata.name=" + name)[
            "items"
        ]
    finally:
        cluster.delete(f"/api/v1/nodes/{name}")


def test_a_namespace_is_labelled_with_its_name(cluster, own_namespace):
    found = cluster.get(f"/api/v1/namespaces/{own_namespace}")
    assert found["metadata"]["labels"]["kubernetes.io/metadata.name"] == own_namespace
    assert found["status"]["phase"] == "Active"
    assert found["spec"]["finalizers"] == ["kubernetes"]


@pytest.mark.parametrize("name", ["dots.not.allowed", "Upper"])
def test_namespace_names_are_labels(cluster, name):
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).refused(422, "Invalid")


def test_a_quota_limits_pods(cluster, own_namespace, pod, eventually):
    base = f"/api/v1/namespaces/{own_namespace}"
    cluster.create(
        f"{base}/resourcequotas",
        {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1", "requests.cpu": "1"}}},
    )
    eventually(lambda: (cluster.get(f"{base}/resourcequotas/q").get("status") or {}).get("hard"))

    def with_cpu(name, cpu):
        resources = {"resources": {"requests": {"cpu": cpu}}} if cpu else {}
        return pod(name, containers=[{"name": "main", "image": "a:1", **resources}])

    status = cluster.call("POST", f"{base}/pods", with_cpu("big", "2")).refused(403, "Forbidden")
    assert (
        "exceeded quota: q, requested: requests.cpu=2, used: requests.cpu=0, limited: requests.cpu=1"
        in status["message"]
    )
    status = cluster.call("POST", f"{base}/pods", with_cpu("none", None)).refused(403, "Forbidden")
    assert "failed quota: q: must specify requests.cpu for: main" in status["message"]
    cluster.create(f"{base}/pods", with_cpu("fits", "500m"))
    status = cluster.call("POST", f"{base}/pods", with_cpu("second", "100m")).refused(403, "Forbidden")
    assert "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1" in status["message"]
    eventually(
        lambda: (
            cluster.get(f"{base}/resourcequotas/q")["status"]["used"] == {"pods": "1", "requests.cpu": "500m"}
        )
    )
    cluster.delete(f"{base}/pods/fits")
    eventually(lambda: cluster.get(f"{base}/resourcequotas/q")["status"]["used"]["pods"] == "0")


def test_access_reviews(cluster, namespace):
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    attributes = {"namespace": namespace, "verb": "create", "resource": "pods"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = cluster.call("POST", path, body)
    assert answer.code == 201
    assert answer.json["status"]["allowed"] is True
    assert answer.json["spec"]["resourceAttributes"] == attributes
    assert cluster.call("POST", path, {**body, "spec": {}}).code == 422


def test_rules_reviews(cluster, namespace):
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    rules = cluster.create(path, body)["status"]["resourceRules"]
    assert any(rule["verbs"] == ["*"] and rule["resources"] == ["*"] for rule in rules)
    assert cluster.call("POST", path, {**body, "spec": {}}).code == 400


def test_each_namespace_has_a_service_account(cluster, own_namespace):
    assert (
        cluster.get(f"/api/v1/namespaces/{own_namespace}/serviceaccounts/default")["kind"] == "ServiceAccount"
    )


def test_a_pod_template_has_the_defaults_of_its_pod(cluster, base, new_name):
    name = new_name()
    pod = {"containers": [{"name": "task", "image": "registry.example.org/a:1"}]}
    made = cluster.create(f"{base}/podtemplates", {"metadata": {"name": name}, "template": {"spec": pod}})
    spec = made["template"]["spec"]
    assert (spec["restartPolicy"], spec["dnsPolicy"], spec["securityContext"]) == (
        "Always",
        "ClusterFirst",
        {},
    )
    assert spec["containers"][0]["terminationMessagePath"] == "/dev/termination-log"
    assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert "serviceAccountName" not in spec
    body = {"metadata": {"name": new_name()}, "template": {"spec": {"containers": []}}}
    cluster.call("POST", f"{base}/podtemplates", body).refused(422, "Invalid")
