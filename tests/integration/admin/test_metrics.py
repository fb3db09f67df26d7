"""What Prometheus reads, of a real database."""

from limosa_admin.identity import Role
from limosa_idl.run.v1alpha1 import run_pb2


def parsed(text: str) -> dict[str, float]:
    found = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in found}


def test_the_queue_runs_and_clusters_are_counted(stand, site) -> None:
    stand.register()
    for number in range(3):
        stand.create(f"run-{number}")
    [taken] = stand.sync("c1", slots=1)
    stand.publish(taken, ("", None, None, run_pb2.RunState(phase=run_pb2.RUN_PHASE_RUNNING)))
    status, _, body = site.http("GET", "/metrics", site.token(Role.VIEWER))
    assert status == 200
    found = parsed(body.decode())
    assert found["limosa_queued_runs"] == 2
    assert found['limosa_active_runs{phase="queued"}'] == 2
    assert found['limosa_active_runs{phase="running"}'] == 1
    assert found["limosa_queue_age_seconds"] >= 0
    assert found['limosa_cluster_free_slots{cluster="c1-name"}'] == 1
    assert found['limosa_cluster_silence_seconds{cluster="c1-name"}'] >= 0


def test_calls_are_counted_by_method_and_status(stand) -> None:
    stand.register()
    stand.create("run-1")
    found = parsed(stand.parts.metrics.text(list).decode())
    assert found['limosa_admin_call_seconds_count{method="RunService/CreateRun",status="OK"}'] == 1
