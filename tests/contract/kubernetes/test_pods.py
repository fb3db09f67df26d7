"""Pods: defaults, what is refused, what may change, and how they end."""

from __future__ import annotations

import pytest

NODE = "contract-no-such-node"


@pytest.fixture
def place(base):
    return f"{base}/pods"


@pytest.fixture
def made(cluster, place, pod, new_name):
    """Create pods and take them away again."""
    names = []

    def create(**spec):
        name = new_name()
        names.append(name)
        meta = spec.pop("metadata", {})
        body = pod(name, **spec)
        body["metadata"].update(meta)
        return cluster.create(place, body)

    yield create
    for name in names:
        if not cluster.gone(f"{place}/{name}"):
            cluster.call(
                "PATCH",
                f"{place}/{name}",
                {"metadata": {"finalizers": None}},
                media="application/merge-patch+json",
            )
            cluster.call("DELETE", f"{place}/{name}", gracePeriodSeconds=0)


def test_defaults(cluster, place, made):
    created = made(terminationGracePeriodSeconds=None)
    spec, container = created["spec"], created["spec"]["containers"][0]
    assert spec["dnsPolicy"] == "ClusterFirst"
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    assert spec["enableServiceLinks"] is True
    assert spec["securityContext"] == {}
    assert spec["preemptionPolicy"] == "PreemptLowerPriority"
    assert spec["priority"] == 0
    assert {(entry["key"], entry["tolerationSeconds"]) for entry in spec["tolerations"]} == {
        ("node.kubernetes.io/not-ready", 300),
        ("node.kubernetes.io/unreachable", 300),
    }
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "File"
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["resources"] == {}
    assert created["status"]["phase"] == "Pending"
    assert created["status"]["qosClass"] == "BestEffort"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("a:1", "IfNotPresent"),
        ("localhost:5000/a", "Always"),
        ("a@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_image_pull_policy_follows_the_tag(made, image, policy):
    created = made(containers=[{"name": "main", "image": image}])
    assert created["spec"]["containers"][0]["imagePullPolicy"] == policy


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
        ({"requests": {"memory": "1Gi"}}, "Burstable"),
        ({}, "BestEffort"),
    ],
)
def test_quality_of_service(made, resources, quality):
    created = made(containers=[{"name": "main", "image": "a:1", "resources": resources}])
    assert created["status"]["qosClass"] == quality


def test_requests_default_to_limits(made):
    resources = {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}
    created = made(containers=[{"name": "main", "image": "a:1", "resources": resources}])
    assert created["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}


def test_an_empty_volume_is_an_empty_dir(made):
    created = made(volumes=[{"name": "tmp"}, {"name": "cfg", "configMap": {"name": "c"}}])
    volumes = {entry["name"]: entry for entry in created["spec"]["volumes"]}
    assert volumes["tmp"] == {"name": "tmp", "emptyDir": {}}
    assert volumes["cfg"]["configMap"]["defaultMode"] == 0o644


def container(**fields):
    return {"containers": [{"name": "main", "image": "a:1", **fields}]}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": []}, "spec.containers"),
        ({"containers": [{"name": "main"}]}, "spec.containers[0].image"),
        ({"containers": [{"image": "a"}]}, "spec.containers[0].name"),
        (container(name="Bad_Name"), "spec.containers[0].name"),
        ({"containers": [{"name": "a", "image": "a"}, {"name": "a", "image": "a"}]}, "spec.containers[1].name"),
        ({"initContainers": [{"name": "main", "image": "a"}], **container()}, "spec.initContainers[0].name"),
        (container(imagePullPolicy="Sometimes"), "spec.containers[0].imagePullPolicy"),
        (container(terminationMessagePolicy="Loud"), "spec.containers[0].terminationMessagePolicy"),
        (container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}), "spec.containers[0].resources.requests"),
        (container(resources={"limits": {"cpu": "-1"}}), "spec.containers[0].resources.limits[cpu]"),
        (container(resources={"limits": {"apples": "1"}}), "spec.containers[0].resources.limits[apples]"),
        (
            container(resources={"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "1"}}),
            "spec.containers[0].resources.requests",
        ),
        (container(resources={"requests": {"nvidia.com/gpu": "1"}}), "spec.containers[0].resources.limits"),
        (container(env=[{"name": ""}]), "spec.containers[0].env[0].name"),
        (container(env=[{"name": "a=b"}]), "spec.containers[0].env[0].name"),
        (
            container(env=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
            "spec.containers[0].env[0].valueFrom",
        ),
        (container(volumeMounts=[{"name": "none", "mountPath": "/x"}]), "spec.containers[0].volumeMounts[0].name"),
        ({"volumes": [{"name": "v"}], **container(volumeMounts=[{"name": "v"}])}, "spec.containers[0].volumeMounts[0].mountPath"),
        ({"volumes": [{"name": "v"}, {"name": "v"}]}, "spec.volumes[1].name"),
        ({"volumes": [{"name": "V"}]}, "spec.volumes[0].name"),
        ({"volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]}, "spec.volumes[0].configMap"),
        (container(ports=[{"containerPort": 70000}]), "spec.containers[0].ports[0].containerPort"),
        ({"restartPolicy": "Sometimes"}, "spec.restartPolicy"),
        ({"dnsPolicy": "Best"}, "spec.dnsPolicy"),
        ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds"),
        ({"nodeSelector": {"a": "not valid!"}}, "spec.nodeSelector"),
        ({"tolerations": [{"operator": "Exists", "value": "x", "key": "k"}]}, "spec.tolerations[0].operator"),
        ({"tolerations": [{"effect": "NoWay", "key": "k"}]}, "spec.tolerations[0].effect"),
    ],
)  # fmt: skip
def test_what_is_refused(cluster, place, pod, new_name, spec, field):
    status = cluster.call("POST", place, pod(new_name(), **spec)).refused(422, "Invalid")
    assert field in [cause["field"] for cause in status["details"]["causes"]]
    assert status["details"]["kind"] == "Pod"


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": "many"},
        {"containers": [{"name": "main", "image": 5}]},
        {"restartPolicy": []},
        {"activeDeadlineSeconds": "soon"},
        container(resources={"limits": {"cpu": "fast"}}),
    ],
)
def test_wrong_types_are_bad_requests(cluster, place, pod, new_name, spec):
    cluster.call("POST", place, pod(new_name(), **spec)).refused(400, "BadRequest")


def test_a_pod_without_specification_is_refused(cluster, place, new_name):
    cluster.call("POST", place, {"metadata": {"name": new_name()}}).refused(422, "Invalid")


def test_the_specification_cannot_change(cluster, place, made):
    created = made()
    name = created["metadata"]["name"]
    status = cluster.try_patch(f"{place}/{name}", {"spec": {"hostname": "other"}}).refused(422, "Invalid")
    assert status["details"]["causes"][0]["field"] == "spec"
    assert "pod updates may not change fields other than" in status["message"]
    cluster.try_patch(f"{place}/{name}", {"spec": {"nodeName": NODE}}).refused(422, "Invalid")


def test_image_and_deadline_can_change(cluster, place, made):
    name = made(activeDeadlineSeconds=100)["metadata"]["name"]
    image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "b:2"}]
    assert cluster.patch(f"{place}/{name}", image, "json")["spec"]["containers"][0]["image"] == "b:2"
    shorter = cluster.patch(f"{place}/{name}", {"spec": {"activeDeadlineSeconds": 50}})
    assert shorter["spec"]["activeDeadlineSeconds"] == 50
    cluster.try_patch(f"{place}/{name}", {"spec": {"activeDeadlineSeconds": 60}}).refused(422, "Invalid")


def test_an_unscheduled_pod_is_deleted_at_once(cluster, place, made):
    name = made()["metadata"]["name"]
    deleted = cluster.delete(f"{place}/{name}")
    assert (deleted["kind"], deleted["metadata"]["name"]) == ("Pod", name)
    assert cluster.gone(f"{place}/{name}")


def bind(cluster, place, name, node=NODE):
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    return cluster.call("POST", f"{place}/{name}/binding", body)


def test_binding_assigns_a_node_once(cluster, place, made):
    name = made()["metadata"]["name"]
    answer = bind(cluster, place, name)
    assert (answer.code, answer.json["status"]) == (201, "Success")
    bound = cluster.get(f"{place}/{name}")
    assert bound["spec"]["nodeName"] == NODE
    conditions = {entry["type"]: entry["status"] for entry in bound["status"]["conditions"]}
    assert conditions["PodScheduled"] == "True"
    bind(cluster, place, name, "other").refused(409, "Conflict")


def test_a_scheduled_pod_is_first_marked_then_removed(cluster, place, made):
    name = made(terminationGracePeriodSeconds=600)["metadata"]["name"]
    bind(cluster, place, name)
    marked = cluster.delete(f"{place}/{name}")
    assert marked["metadata"]["deletionTimestamp"] > marked["metadata"]["creationTimestamp"]
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 600
    assert (
        cluster.get(f"{place}/{name}")["metadata"]["deletionTimestamp"]
        == marked["metadata"]["deletionTimestamp"]
    )
    shorter = cluster.delete(f"{place}/{name}", {"gracePeriodSeconds": 60})
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 60
    longer = cluster.delete(f"{place}/{name}", gracePeriodSeconds=90)
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 60
    cluster.delete(f"{place}/{name}", gracePeriodSeconds=0)
    assert cluster.gone(f"{place}/{name}")


def test_a_finished_pod_is_deleted_at_once(cluster, place, made):
    name = made()["metadata"]["name"]
    bind(cluster, place, name)
    cluster.patch(f"{place}/{name}/status", {"status": {"phase": "Succeeded"}})
    cluster.delete(f"{place}/{name}")
    assert cluster.gone(f"{place}/{name}")


def test_a_pod_with_finalizer_stays_until_it_is_removed(cluster, place, made):
    name = made(metadata={"finalizers": ["limosa.test/hold"]})["metadata"]["name"]
    held = cluster.delete(f"{place}/{name}")
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    assert not cluster.gone(f"{place}/{name}")
    cluster.patch(f"{place}/{name}", {"metadata": {"finalizers": None}})
    assert cluster.gone(f"{place}/{name}")


def test_a_running_pod_outlives_its_finalizer(cluster, place, made):
    name = made(metadata={"finalizers": ["limosa.test/hold"]})["metadata"]["name"]
    bind(cluster, place, name)
    cluster.delete(f"{place}/{name}")
    cluster.patch(f"{place}/{name}", {"metadata": {"finalizers": None}})
    assert not cluster.gone(f"{place}/{name}")
    cluster.delete(f"{place}/{name}", gracePeriodSeconds=0)
    assert cluster.gone(f"{place}/{name}")


def test_finalizers_cannot_be_added_to_a_deleted_object(cluster, place, made):
    name = made(metadata={"finalizers": ["limosa.test/hold"]})["metadata"]["name"]
    cluster.delete(f"{place}/{name}")
    patch = {"metadata": {"finalizers": ["limosa.test/hold", "limosa.test/more"]}}
    cluster.try_patch(f"{place}/{name}", patch).refused(422, "Invalid")


def test_the_status_subresource_leaves_the_rest_alone(cluster, place, made):
    created = made()
    name = created["metadata"]["name"]
    patch = {"spec": {"hostname": "x"}, "status": {"phase": "Running", "reason": "Because"}}
    changed = cluster.patch(f"{place}/{name}/status", patch)
    assert changed["status"]["phase"] == "Running"
    assert "hostname" not in changed["spec"]
    assert changed["status"]["qosClass"] == "BestEffort"
    assert cluster.patch(f"{place}/{name}", {"status": {"phase": "Failed"}})["status"]["phase"] == "Running"


def test_field_selectors(cluster, own_namespace, pod):
    place = f"/api/v1/namespaces/{own_namespace}/pods"
    for name in ("p1", "p2", "p3"):
        cluster.create(place, pod(name))
    bind(cluster, place, "p2")
    cluster.patch(f"{place}/p3/status", {"status": {"phase": "Failed"}})

    def found(selector):
        return [entry["metadata"]["name"] for entry in cluster.get(place, fieldSelector=selector)["items"]]

    assert found(f"spec.nodeName={NODE}") == ["p2"]
    assert found("spec.nodeName=") == ["p1", "p3"]
    assert found("status.phase!=Failed") == ["p1", "p2"]
    assert found("spec.restartPolicy=Never,metadata.name=p1") == ["p1"]
    assert found("spec.schedulerName=nobody") == ["p1", "p2", "p3"]


def test_delete_collection(cluster, own_namespace, pod):
    place = f"/api/v1/namespaces/{own_namespace}/pods"
    for index in range(5):
        body = pod(f"p{index}")
        body["metadata"]["labels"] = {"run": "a" if index else "b", "id": f"x{index}"}
        cluster.create(place, body)
    cluster.delete(place, labelSelector="id in (x3,x4,x9)")
    assert [entry["metadata"]["name"] for entry in cluster.get(place)["items"]] == ["p0", "p1", "p2"]
    assert cluster.delete(place, labelSelector="run=a")["kind"] in ("PodList", "Status")
    assert [entry["metadata"]["name"] for entry in cluster.get(place)["items"]] == ["p0"]


def test_eviction_deletes(cluster, place, made):
    name = made()["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    assert cluster.call("POST", f"{place}/{name}/eviction", body).code == 201
    assert cluster.gone(f"{place}/{name}")


def test_logs_need_a_pod_and_a_known_container(cluster, place, made):
    cluster.call("GET", f"{place}/none/log").refused(404, "NotFound")
    two = made(containers=[{"name": "one", "image": "a:1"}, {"name": "two", "image": "a:1"}])["metadata"][
        "name"
    ]
    status = cluster.call("GET", f"{place}/{two}/log").refused(400, "BadRequest")
    assert status["message"] == f"a container name must be specified for pod {two}, choose one of: [one two]"
    status = cluster.call("GET", f"{place}/{two}/log", container="three").refused(400, "BadRequest")
    assert status["message"] == f"container three is not valid for pod {two}"


def test_logs_of_an_unscheduled_pod_are_empty(cluster, place, made):
    name = made()["metadata"]["name"]
    answer = cluster.call("GET", f"{place}/{name}/log", accept="*/*")
    assert (answer.code, answer.body) == (204, b"")


@pytest.mark.parametrize(
    ("name", "value"), [("tailLines", "-1"), ("limitBytes", "0"), ("sinceSeconds", "0"), ("tailLines", "few")]
)
def test_bad_log_options_are_refused(cluster, place, made, name, value):
    pod_name = made()["metadata"]["name"]
    assert cluster.call("GET", f"{place}/{pod_name}/log", **{name: value}).code in (400, 422)
