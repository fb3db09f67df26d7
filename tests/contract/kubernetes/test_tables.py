"""Rows and columns as ``kubectl get`` shows them."""

from __future__ import annotations

import pytest

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def rows(table):
    """Return the cells of each row by heading."""
    headings = [column["name"] for column in table["columnDefinitions"]]
    return [dict(zip(headings, row["cells"], strict=True)) for row in table["rows"]]


@pytest.mark.parametrize(
    ("path", "shown", "wide"),
    [
        ("/api/v1/pods", "Name Ready Status Restarts Age", "IP Node|Nominated Node|Readiness Gates"),
        ("/api/v1/namespaces", "Name Status Age", ""),
        ("/api/v1/configmaps", "Name Data Age", ""),
        ("/api/v1/secrets", "Name Type Data Age", ""),
        ("/api/v1/serviceaccounts", "Name Secrets Age", ""),
        ("/api/v1/resourcequotas", "Name Request Limit Age", ""),
        ("/apis/coordination.k8s.io/v1/leases", "Name Holder Age", ""),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "Name|Created At", ""),
        ("/api/v1/events", "Last Seen|Type|Reason|Object|Message", "Subobject|Source|First Seen|Count|Name"),
        (
            "/api/v1/nodes",
            "Name Status Roles Age Version",
            "Internal-IP External-IP OS-Image Kernel-Version Container-Runtime",
        ),
    ],
)
def test_columns(cluster, path, shown, wide):
    def names(text):
        return " ".join(text.split("|")).split()

    found = cluster.get(path, accept=TABLE, limit=1)
    assert found["kind"] == "Table"
    columns = found["columnDefinitions"]
    assert " ".join(column["name"] for column in columns if column["priority"] == 0).split() == names(shown)
    assert " ".join(column["name"] for column in columns if column["priority"] == 1).split() == names(wide)


def test_a_row_carries_metadata_unless_asked_otherwise(cluster, base, config_map, new_name):
    name = new_name()
    cluster.create(f"{base}/configmaps", config_map(name))
    place = f"{base}/configmaps/{name}"
    assert cluster.get(place, accept=TABLE)["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert cluster.get(place, accept=TABLE, includeObject="Object")["rows"][0]["object"]["data"] == {"a": "b"}
    assert not cluster.get(place, accept=TABLE, includeObject="None")["rows"][0].get("object")
    (row,) = rows(cluster.get(place, accept=TABLE))
    assert row == {"Name": name, "Data": 1, "Age": row["Age"]}


def test_custom_columns(cluster, widgets, widget, new_name):
    name = new_name()
    cluster.create(widgets, widget(name))
    cluster.patch(f"{widgets}/{name}/status", {"status": {"phase": "Up"}})
    found = cluster.get(f"{widgets}/{name}", accept=TABLE)
    row = rows(found)[0]
    assert (row["Name"], row["Size"], row["Phase"]) == (name, 3, "Up")
    assert row["Age"].endswith("s")
    assert [column["priority"] for column in found["columnDefinitions"]] == [0, 0, 1, 0]


def terminated(code, reason=None, signal=None):
    ended = {
        "exitCode": code,
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:01Z",
        "containerID": "c://1",
    }
    if reason:
        ended["reason"] = reason
    if signal:
        ended["signal"] = signal
    return {"terminated": ended}


def status(state, ready=False, restarts=0, name="main"):
    return {
        "name": name, "image": "a:1", "imageID": "", "ready": ready, "restartCount": restarts, "state": state, "lastState": {},
        "started": ready,
    }  # fmt: skip


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("given", "ready", "shown"),
    [
        ({"phase": "Pending"}, "0/1", "Pending"),
        (
            {"phase": "Pending", "containerStatuses": [status({"waiting": {"reason": "ContainerCreating"}})]},
            "0/1",
            "ContainerCreating",
        ),
        (
            {"phase": "Pending", "containerStatuses": [status({"waiting": {"reason": "ErrImagePull"}})]},
            "0/1",
            "ErrImagePull",
        ),
        ({"phase": "Running", "containerStatuses": [status(RUNNING, ready=True)]}, "1/1", "Running"),
        (
            {"phase": "Succeeded", "containerStatuses": [status(terminated(0, "Completed"))]},
            "0/1",
            "Completed",
        ),
        (
            {"phase": "Failed", "containerStatuses": [status(terminated(137, "OOMKilled"))]},
            "0/1",
            "OOMKilled",
        ),
        ({"phase": "Failed", "containerStatuses": [status(terminated(1, "Error"))]}, "0/1", "Error"),
        ({"phase": "Failed", "containerStatuses": [status(terminated(3))]}, "0/1", "ExitCode:3"),
        ({"phase": "Failed", "containerStatuses": [status(terminated(137, signal=9))]}, "0/1", "Signal:9"),
        ({"phase": "Failed", "reason": "Evicted"}, "0/1", "Evicted"),
        ({"phase": "Failed", "reason": "DeadlineExceeded"}, "0/1", "DeadlineExceeded"),
    ],
)
def test_pod_status(cluster, base, pod, new_name, given, ready, shown):
    name = new_name()
    cluster.create(f"{base}/pods", pod(name))
    cluster.patch(f"{base}/pods/{name}/status", {"status": given})
    row = rows(cluster.get(f"{base}/pods/{name}", accept=TABLE))[0]
    assert (row["Ready"], row["Status"], row["Restarts"]) == (ready, shown, "0")
    assert (row["IP"], row["Node"], row["Readiness Gates"]) == ("<none>", "<none>", "<none>")
    cluster.delete(f"{base}/pods/{name}", gracePeriodSeconds=0)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ({"waiting": {"reason": "PodInitializing"}}, "Init:0/1"),
        (RUNNING, "Init:0/1"),
        (terminated(1, "Error"), "Init:Error"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "Init:ImagePullBackOff"),
        (terminated(0, "Completed"), "PodInitializing"),
    ],
)
def test_pod_status_with_init_containers(cluster, base, pod, new_name, state, shown):
    name = new_name()
    cluster.create(f"{base}/pods", pod(name, initContainers=[{"name": "first", "image": "a:1"}]))
    given = {
        "phase": "Pending",
        "initContainerStatuses": [status(state, name="first")],
        "containerStatuses": [status({"waiting": {"reason": "PodInitializing"}})],
    }
    cluster.patch(f"{base}/pods/{name}/status", {"status": given})
    assert rows(cluster.get(f"{base}/pods/{name}", accept=TABLE))[0]["Status"] == shown
    cluster.delete(f"{base}/pods/{name}", gracePeriodSeconds=0)


def test_a_deleted_running_pod_is_terminating(cluster, base, pod, new_name):
    name = new_name()
    body = pod(name)
    body["metadata"]["finalizers"] = ["limosa.test/hold"]
    cluster.create(f"{base}/pods", body)
    cluster.delete(f"{base}/pods/{name}")
    assert rows(cluster.get(f"{base}/pods/{name}", accept=TABLE))[0]["Status"] == "Terminating"
    cluster.patch(f"{base}/pods/{name}", {"metadata": {"finalizers": None}})


def test_an_event_row(cluster, base, namespace, new_name):
    name = new_name()
    involved = {"kind": "Pod", "namespace": namespace, "name": "p1", "fieldPath": "spec.containers{main}"}
    stamps = {"firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:10:00Z", "count": 4}
    body = {
        "metadata": {"name": name},
        "involvedObject": involved,
        "reason": "Tested",
        "message": "It was.\n",
        "type": "Warning",
        **stamps,
    }
    cluster.create(f"{base}/events", body)
    row = rows(cluster.get(f"{base}/events/{name}", accept=TABLE))[0]
    assert (row["Type"], row["Reason"], row["Object"], row["Message"]) == (
        "Warning",
        "Tested",
        "pod/p1",
        "It was.",
    )
    assert (row["Subobject"], row["Count"]) == ("spec.containers{main}", 4)
    assert row["Last Seen"] not in ("<unknown>", "<invalid>")


def test_a_node_row(cluster, new_name):
    name = f"contract-{new_name()}"
    cluster.create(
        "/api/v1/nodes",
        {
            "metadata": {"name": name, "labels": {"node-role.kubernetes.io/worker": ""}},
            "spec": {"unschedulable": True},
        },
    )
    try:
        row = rows(cluster.get(f"/api/v1/nodes/{name}", accept=TABLE))[0]
        assert (row["Status"], row["Roles"], row["Internal-IP"]) == (
            "Unknown,SchedulingDisabled",
            "worker",
            "<none>",
        )
    finally:
        cluster.delete(f"/api/v1/nodes/{name}")


def test_a_partial_object(cluster, base, config_map, new_name):
    name = new_name()
    cluster.create(f"{base}/configmaps", config_map(name))
    found = cluster.get(
        f"{base}/configmaps/{name}", accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    )
    assert found["kind"] == "PartialObjectMetadata"
    assert "data" not in found
