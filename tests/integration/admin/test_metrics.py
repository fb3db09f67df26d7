"""What Prometheus reads, of a real database."""

from limosa_admin.identity import Role
from limosa_admin.store import claims
from limosa_idl.run.v1alpha1 import run_pb2


def parsed(text: str) -> dict[str, float]:
    found = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in found}


def test_the_queue_runs_and_clusters_are_counted(stand, site) -> None:
    stand.register()
    for number in range(3):
        stand.create(f"run-{number}")
    [taken] = stand.sync("c1", slots=1)
    # Claimed by an operator that does nothing with it, it waits as before.
    assert (
        parsed(site.http("GET", "/metrics", site.token(Role.VIEWER))[2].decode())["limosa_queued_runs"] == 3
    )
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


def test_of_clusters_of_one_name_the_living_one_is_shown_and_none_that_is_lost(stand, site) -> None:
    """A cluster that was wiped and made anew has another uid; a series twice makes Prometheus drop the scrape."""

    def series() -> list[str]:
        text = site.http("GET", "/metrics", site.token(Role.VIEWER))[2].decode()
        return [line for line in text.splitlines() if line.startswith("limosa_cluster_free_slots")]

    stand.sync("old", slots=3, cluster_name="one")
    stand.sync("new", slots=7, cluster_name="one")
    stand.sync("other", slots=1)
    assert series() == [
        'limosa_cluster_free_slots{cluster="one"} 7.0',
        'limosa_cluster_free_slots{cluster="other-name"} 1.0',
    ]
    with stand.database.transaction() as connection:
        claims.lose(connection, ["new"])
    assert series() == [
        'limosa_cluster_free_slots{cluster="one"} 3.0',
        'limosa_cluster_free_slots{cluster="other-name"} 1.0',
    ]


def test_calls_are_counted_by_method_and_status(stand) -> None:
    stand.register()
    stand.create("run-1")
    found = parsed(stand.parts.metrics.text(list).decode())
    assert found['limosa_admin_call_seconds_count{method="RunService/CreateRun",status="OK"}'] == 1
