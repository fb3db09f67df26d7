"""Runs applied by hand, driven to their end by a real operator process."""

import base64

from propeller_rig import (
    OUTPUTS_ANNOTATION,
    RUNS_PATH,
    Cluster,
    Operator,
    chain,
    fan_out,
    local_run,
    numbers,
    task_spec,
    wait_for,
    wait_for_phase,
)

from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_model.values import collection, integer, string


def outputs_of(status: dict) -> LiteralMap:
    return LiteralMap.FromString(base64.b64decode(status["outputs"]))


def own_pods(cluster: Cluster, run: str) -> list[dict]:
    return [pod for pod in cluster.pods() if pod["metadata"]["labels"].get("limosa.dev/run") == run]


def test_a_chain_runs_to_its_end_and_its_pods_go(cluster: Cluster, operator: Operator) -> None:
    cluster.call("POST", RUNS_PATH, local_run("chain", chain(3), {"x": integer(1)}))
    status = wait_for_phase(cluster, "chain", "SUCCEEDED", operator)
    assert status["nodes"] == "3/3"
    assert outputs_of(status) == LiteralMap(literals={"o0": integer(42)})
    wait_for(lambda: not own_pods(cluster, "chain"))


def test_a_map_runs_an_item_for_each_element(cluster: Cluster, operator: Operator) -> None:
    cluster.call("POST", RUNS_PATH, local_run("fan", fan_out(), {"xs": numbers(250)}))
    status = wait_for_phase(cluster, "fan", "SUCCEEDED", operator)
    assert outputs_of(status) == LiteralMap(literals={"o0": collection([integer(42)] * 250)})


def test_pods_that_leave_no_commit_are_tried_again_and_then_fail_the_run(
    cluster: Cluster, operator: Operator
) -> None:
    annotations = {OUTPUTS_ANNOTATION: "", "limosa.dev/sandbox-termination-message": "not ours"}
    cluster.call("POST", RUNS_PATH, local_run("mute", chain(1), {"x": integer(1)}, annotations))
    status = wait_for_phase(cluster, "mute", "FAILED", operator)
    assert (status["failure"]["kind"], status["failure"]["code"]) == ("SYSTEM", "NoCommit")
    assert status["message"].startswith("n0: ")


def test_a_wrong_input_is_refused_by_name(cluster: Cluster, operator: Operator) -> None:
    cluster.call("POST", RUNS_PATH, local_run("wrong", chain(1), {"y": string("no")}))
    status = wait_for_phase(cluster, "wrong", "FAILED", operator)
    assert status["reason"] == "BadInput"
    assert "y" in status["failure"]["message"]
    assert "x" in status["failure"]["message"]
    assert not own_pods(cluster, "wrong")


def test_a_run_of_another_project_is_refused(cluster: Cluster, operator: Operator) -> None:
    run = local_run("foreign", chain(1), {"x": integer(1)})
    run["spec"]["project"] = "other"
    cluster.call("POST", RUNS_PATH, run)
    status = wait_for_phase(cluster, "foreign", "FAILED", operator)
    assert status["reason"] == "NamespaceMismatch"
    assert "other/development" in status["failure"]["message"]


def test_a_closure_that_is_not_its_digest_is_refused(cluster: Cluster, operator: Operator) -> None:
    run = local_run("torn", chain(1), {"x": integer(1)})
    run["spec"]["closureDigest"] = "0" * 64
    cluster.call("POST", RUNS_PATH, run)
    status = wait_for_phase(cluster, "torn", "FAILED", operator)
    assert "spec.closureDigest" in status["message"]


def test_a_pod_that_may_not_be_is_the_users_failure(cluster: Cluster, operator: Operator) -> None:
    task = task_spec()
    task.pod_template = '{"spec": {"hostNetwork": true}}'
    cluster.call("POST", RUNS_PATH, local_run("greedy", chain(1, task), {"x": integer(1)}))
    status = wait_for_phase(cluster, "greedy", "FAILED", operator)
    assert status["failure"]["code"] == "PodPolicy"
    assert "spec.hostNetwork" in status["failure"]["message"]


def test_a_deleted_run_applied_again_runs_anew(cluster: Cluster, operator: Operator) -> None:
    cluster.call("POST", RUNS_PATH, local_run("again", chain(1), {"x": integer(1)}))
    first = wait_for_phase(cluster, "again", "SUCCEEDED", operator)
    cluster.call("DELETE", f"{RUNS_PATH}/again")
    cluster.call("POST", RUNS_PATH, local_run("again", chain(2), {"x": integer(1)}))
    second = wait_for_phase(cluster, "again", "SUCCEEDED", operator)
    assert (first["nodes"], second["nodes"]) == ("1/1", "2/2")
    assert first["observedUid"] != second["observedUid"]
