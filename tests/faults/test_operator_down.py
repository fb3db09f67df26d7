"""What happens in the cluster while no operator looks, and what the next one makes of it."""

import copy
from pathlib import Path
from typing import Any

from propeller_rig import (
    PODS_PATH,
    RUNS_PATH,
    Cluster,
    Operator,
    chain,
    fan_out,
    local_run,
    numbers,
    running_operator,
    wait_for,
    wait_for_phase,
    write_commits,
)

from limosa_idl.run.v1alpha1.run_pb2 import Epoch
from limosa_model.names import (
    ANNOTATION_LAUNCH_ID,
    ANNOTATION_NODE_PATH,
    LABEL_LAUNCH,
    LABEL_NODE,
    launch_id,
    pod_name,
)
from limosa_model.values import integer


def end_pod(cluster: Cluster, pod: dict[str, Any], exit_code: int) -> None:
    """The pod's container ends without a word."""
    terminated = {"exitCode": exit_code, "reason": "Completed" if exit_code == 0 else "Error"}
    status = {
        "phase": "Failed" if exit_code else "Succeeded",
        "containerStatuses": [
            {
                "name": "task",
                "image": "i",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"terminated": terminated},
            }
        ],
    }
    path = f"{PODS_PATH}/{pod['metadata']['name']}/status"
    cluster.call("PATCH", path, {"status": status}, "application/merge-patch+json")


def apply(cluster: Cluster, operator: Operator, run: dict[str, Any], pods: int) -> list[dict[str, Any]]:
    """The run with its pods, once its status is written."""
    cluster.call("POST", RUNS_PATH, run)
    name = run["metadata"]["name"]
    wait_for(lambda: len(cluster.pods()) == pods, told=lambda: operator.log)
    wait_for(lambda: cluster.run(name).get("status"), told=lambda: operator.log)
    return cluster.pods()


def test_pods_that_complete_meanwhile_count(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        run = local_run("alone", fan_out(), {"xs": numbers(3)})
        pods = apply(still_cluster, operator, run, 3)
        operator.kill()
        made = still_cluster.run("alone")
        write_commits(operator, made, [("n0", index) for index in range(3)])
        for pod in pods:
            end_pod(still_cluster, pod, 0)
        operator.start()
        status = wait_for_phase(still_cluster, "alone", "SUCCEEDED", operator)
        assert status["nodes"] == "1/1"
        wait_for(lambda: not still_cluster.pods(), told=lambda: operator.log)


def test_pods_that_vanish_meanwhile_with_their_commit_count(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        (pod,) = apply(still_cluster, operator, local_run("swept", chain(1), {"x": integer(1)}), 1)
        operator.kill()
        write_commits(operator, still_cluster.run("swept"), [("n0", None)])
        still_cluster.call("DELETE", f"{PODS_PATH}/{pod['metadata']['name']}")
        operator.start()
        wait_for_phase(still_cluster, "swept", "SUCCEEDED", operator)


def test_a_commit_counts_though_its_pod_exits_with_1(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        (pod,) = apply(still_cluster, operator, local_run("grumpy", chain(1), {"x": integer(1)}), 1)
        write_commits(operator, still_cluster.run("grumpy"), [("n0", None)])
        end_pod(still_cluster, pod, 1)
        wait_for_phase(still_cluster, "grumpy", "SUCCEEDED", operator)


def test_a_run_deleted_meanwhile_leaves_nothing_and_waits_for_nobody(
    still_cluster: Cluster, tmp_path: Path
) -> None:
    """There is no finalizer to be released: pods follow their owner, whoever is there."""
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        apply(still_cluster, operator, local_run("dropped", fan_out(), {"xs": numbers(3)}), 3)
        operator.kill()
        assert not still_cluster.run("dropped")["metadata"].get("finalizers")
        still_cluster.call("DELETE", f"{RUNS_PATH}/dropped")
        wait_for(lambda: not still_cluster.pods() and not still_cluster.call("GET", RUNS_PATH)["items"])
        operator.start()
        wait_for(lambda: operator.log.count("operator works") == 2, told=lambda: operator.log)
        assert not still_cluster.pods()


def test_an_orphan_pod_is_removed(still_cluster: Cluster, tmp_path: Path) -> None:
    """A pod of the run that belongs to no node of it, such as one that an older operator left."""
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        (pod,) = apply(still_cluster, operator, local_run("tidy", chain(1), {"x": integer(1)}), 1)
        uid = pod["metadata"]["ownerReferences"][0]["uid"]
        launch = launch_id(uid, "n7", None, Epoch(), 0)
        orphan = copy.deepcopy(pod)
        orphan["metadata"] = {
            "name": pod_name("tidy", launch),
            **{key: pod["metadata"][key] for key in ("labels", "annotations", "ownerReferences")},
        }
        orphan["metadata"]["labels"] |= {LABEL_NODE: "n7", LABEL_LAUNCH: launch}
        orphan["metadata"]["annotations"] |= {ANNOTATION_NODE_PATH: "n7", ANNOTATION_LAUNCH_ID: launch}
        del orphan["status"]
        still_cluster.call("POST", PODS_PATH, orphan)
        wait_for(
            lambda: (
                [found["metadata"]["name"] for found in still_cluster.pods()] == [pod["metadata"]["name"]]
            ),
            told=lambda: operator.log,
        )
