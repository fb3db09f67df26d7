"""People meddling with runs, on a cluster where pods stay pending."""

import socket
import urllib.request
from pathlib import Path
from typing import Any

from propeller_rig import (
    EVENTS_PATH,
    NAMESPACE,
    PODS_PATH,
    RUNS_PATH,
    Cluster,
    chain,
    fan_out,
    local_run,
    numbers,
    running_operator,
    wait_for,
    wait_for_phase,
)

from limosa_model.values import integer


def test_abort_ends_the_pods_then_the_run(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        still_cluster.call("POST", RUNS_PATH, local_run("long", fan_out(), {"xs": numbers(5)}))
        wait_for(lambda: len(still_cluster.pods()) == 5, told=lambda: operator.log)
        still_cluster.patch_run("long", {"spec": {"desired": "ABORT"}})
        wait_for_phase(still_cluster, "long", "ABORTED", operator)
        wait_for(lambda: not still_cluster.pods())


def test_an_edited_spec_fails_the_run_and_says_what_to_do(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        still_cluster.call("POST", RUNS_PATH, local_run("edited", chain(2), {"x": integer(1)}))
        wait_for(lambda: len(still_cluster.pods()) == 1, told=lambda: operator.log)
        other = local_run("edited", chain(3), {"x": integer(1)})
        still_cluster.patch_run("edited", {"spec": other["spec"]})
        status = wait_for_phase(still_cluster, "edited", "FAILED", operator)
        assert status["reason"] == "SpecChanged"
        assert "delete this WorkflowRun" in status["failure"]["message"]
        wait_for(lambda: not still_cluster.pods())
        still_cluster.patch_run("edited", {"spec": local_run("edited", chain(4), {"x": integer(1)})["spec"]})
        told = wait_for(lambda: ignored(still_cluster), told=lambda: operator.log)
        assert "delete the WorkflowRun and apply it again" in told["message"]
        assert still_cluster.run("edited")["status"] == status


def ignored(cluster: Cluster) -> dict[str, Any] | None:
    """The Event that says a spec came too late."""
    found = cluster.call("GET", EVENTS_PATH)["items"]
    return next((event for event in found if event["reason"] == "SpecIgnored"), None)


def test_a_spec_edited_while_the_operator_is_down_is_noticed(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        still_cluster.call("POST", RUNS_PATH, local_run("edited", chain(2), {"x": integer(1)}))
        wait_for(lambda: still_cluster.pods() and still_cluster.run("edited").get("status"))
        operator.kill()
        still_cluster.patch_run("edited", {"spec": local_run("edited", chain(3), {"x": integer(1)})["spec"]})
        operator.start()
        assert wait_for_phase(still_cluster, "edited", "FAILED", operator)["reason"] == "SpecChanged"


def test_a_removed_pod_is_launched_again(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        still_cluster.call("POST", RUNS_PATH, local_run("robbed", chain(1), {"x": integer(1)}))
        first = wait_for(still_cluster.pods, told=lambda: operator.log)[0]["metadata"]["name"]
        still_cluster.call("DELETE", f"{PODS_PATH}/{first}")
        second = wait_for(still_cluster.pods, told=lambda: operator.log)[0]["metadata"]
        assert second["name"] != first
        assert second["annotations"]["limosa.dev/launch"] == "1"


def test_deleting_the_run_takes_its_pods_along(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        still_cluster.call("POST", RUNS_PATH, local_run("gone", fan_out(), {"xs": numbers(3)}))
        wait_for(lambda: len(still_cluster.pods()) == 3, told=lambda: operator.log)
        wait_for(lambda: still_cluster.run("gone").get("status"), told=lambda: operator.log)
        still_cluster.call("DELETE", f"{RUNS_PATH}/gone")
        wait_for(lambda: not still_cluster.pods(), told=lambda: operator.log)
        events = f"/api/v1/namespaces/{NAMESPACE}/events"
        told = wait_for(
            lambda: [one for one in still_cluster.call("GET", events)["items"] if one["reason"] == "Deleted"],
            told=lambda: operator.log,
        )
    assert told[0]["message"].startswith(
        "the run was deleted at 0/1 nodes, and its pods with it; what it has committed stays below demo/development/runs/gone."
    )


def test_an_operator_that_returns_finds_its_pods(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        still_cluster.call("POST", RUNS_PATH, local_run("kept", fan_out(), {"xs": numbers(7)}))
        wait_for(lambda: len(still_cluster.pods()) == 7, told=lambda: operator.log)
        before = {pod["metadata"]["uid"] for pod in still_cluster.pods()}
        operator.kill()
        operator.start()
        wait_for(lambda: operator.log.count("run is opened") == 2, told=lambda: operator.log)
        still_cluster.patch_run("kept", {"spec": {"desired": "ABORT"}})
        assert {pod["metadata"]["uid"] for pod in still_cluster.pods()} <= before
        wait_for_phase(still_cluster, "kept", "ABORTED", operator)


def test_a_second_operator_waits_and_takes_over(still_cluster: Cluster, tmp_path: Path) -> None:
    with (
        running_operator(still_cluster, tmp_path / "first") as first,
        running_operator(still_cluster, tmp_path / "second") as second,
    ):
        wait_for(lambda: "operator works" in first.log + second.log)
        leader, standby = (first, second) if "operator works" in first.log else (second, first)
        wait_for(lambda: "waiting for leadership" in standby.log)
        leader.kill()
        still_cluster.call("POST", RUNS_PATH, local_run("late", chain(1), {"x": integer(1)}))
        wait_for(still_cluster.pods, told=lambda: standby.log)
        assert "operator works" in standby.log


def test_a_leader_that_is_replaced_writes_no_more_and_ends(still_cluster: Cluster, tmp_path: Path) -> None:
    with running_operator(still_cluster, tmp_path / "operator") as operator:
        wait_for(lambda: "operator works" in operator.log, told=lambda: operator.log)
        path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/limosa-propeller"
        theirs = {"spec": {"holderIdentity": "another", "renewTime": "2099-01-01T00:00:00.000000Z"}}
        still_cluster.call("PATCH", path, theirs, "application/merge-patch+json")
        assert wait_for(lambda: operator.exit_status() is not None and operator.exit_status() == 3)
        still_cluster.call("POST", RUNS_PATH, local_run("unseen", chain(1), {"x": integer(1)}))
        assert still_cluster.call("GET", path)["spec"]["holderIdentity"] == "another"
        assert not still_cluster.pods()


def test_an_orderly_stop_hands_leadership_over(still_cluster: Cluster, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    environ = {"LIMOSA_LIVENESS_ENDPOINT": f"{address}/healthz"}
    with running_operator(still_cluster, tmp_path / "operator", environ) as operator:
        wait_for(lambda: "operator works" in operator.log, told=lambda: operator.log)
        with urllib.request.urlopen(f"{address}/metrics") as answer:
            told = answer.read().decode().splitlines()
        assert {"limosa_leader 1.0", "limosa_shards_led 1.0", "limosa_unsent_snapshots 0.0"} <= set(told)
        assert operator.stop() == 0
        path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/limosa-propeller"
        assert still_cluster.call("GET", path)["spec"]["holderIdentity"] == ""


def test_an_edited_phase_is_written_again_and_only_once(still_cluster: Cluster, tmp_path: Path) -> None:
    def phase() -> str:
        return str((still_cluster.run("edited").get("status") or {}).get("phase"))

    def edit(told: str) -> None:
        patch = {"status": {"phase": told}}
        path = f"{RUNS_PATH}/edited/status"
        still_cluster.call("PATCH", path, patch, "application/merge-patch+json")

    with running_operator(still_cluster, tmp_path / "operator") as operator:
        still_cluster.call("POST", RUNS_PATH, local_run("edited", chain(2), {"x": integer(1)}))
        wait_for(lambda: still_cluster.pods() and phase() == "RUNNING", told=lambda: operator.log)
        edit("SUCCEEDED")
        wait_for(lambda: phase() == "RUNNING", told=lambda: operator.log)
        wait_for(lambda: operator.log.count("edited by hand") >= 1, told=lambda: operator.log)
        version = still_cluster.run("edited")["metadata"]["resourceVersion"]
        # What is sealed is left alone, also by the next operator, which believes no edit either.
        operator.kill()
        edit("FAILED")
        operator.start()
        wait_for(lambda: phase() == "RUNNING", told=lambda: operator.log)
        assert still_cluster.pods()
        assert still_cluster.run("edited")["metadata"]["resourceVersion"] != version
        assert operator.log.count("edited by hand") <= 2
