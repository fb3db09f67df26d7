"""A cluster falls silent, another goes on from its commits, and the first comes back: it does no harm."""

from pathlib import Path

from other_cluster import NAME, OtherCluster, other_cluster
from platform_rig import runs
from platform_rig.sandbox import PODS, RUNS, Sandbox
from platform_rig.waiting import wait_for
from referee import COMMITTED, STARTED, Event, Referee, judge
from undisturbed import Undisturbed, assert_as_undisturbed

ENOUGH = 2
"""Results before it falls silent."""
CALM = "n0/"
"""Where tasks take a while and never fail: a launch that has begun and has no result is one that runs."""


def under_way(events: list[Event]) -> set[str]:
    """Launches whose code runs and that have no result."""
    started = {
        event.launch_id for event in events if event.what == STARTED and event.node_path.startswith(CALM)
    }
    return started - {event.launch_id for event in events if event.what == COMMITTED}


def silence_amid_work(other: OtherCluster, referee: Referee, uid: str) -> set[str]:
    """Stops a cluster while the author's code runs there; the launches that it leaves half done."""

    def amid_work() -> bool:
        events = referee.events(uid)
        committed = [event for event in events if event.what == COMMITTED]
        return len(committed) >= ENOUGH and bool(under_way(events))

    while True:
        wait_for(amid_work, other.told)
        other.fall_silent()
        left = under_way(referee.events(uid))
        if left:
            return left
        other.come_back(operator=True)


def test_a_cluster_that_comes_back_does_no_harm(
    hurt: Sandbox, flows: Path, referee: Referee, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    with other_cluster(hurt, tmp_path / "other") as other, hurt.without_operator():
        name = runs.submit(hurt, flows, "many", {"x": 1})
        with hurt.client() as client:
            uid = client.get_run(name).run.uid
        half_done = silence_amid_work(other, referee, uid)
        refused = runs.try_limosa(hurt, "cluster", "lost", NAME)
        assert "is in contact" in refused.stderr
        assert (
            "1 run of cluster elsewhere" in runs.try_limosa(hurt, "cluster", "lost", NAME, "--force").stderr
        )
        hurt.resume_operator()
        with hurt.client() as client:
            ended = runs.await_end(client, name)
        assert_as_undisturbed(hurt, ended, undisturbed, referee)
        before = referee.events(uid)
        assert {event.epoch for event in before} == {"1.1", "1.2"}

        # First its pods: what they were about to commit is committed already.
        other.come_back(operator=False)
        zombies = {pod["metadata"]["annotations"]["limosa.dev/launch-id"] for pod in other.objects(PODS)}
        assert half_done & zombies
        wait_for(
            lambda: all(pod["status"]["phase"] == "Succeeded" for pod in other.objects(PODS)), other.told
        )
        # Then its operator, which has no Lease any more, and the next one.
        other.come_back(operator=True)
        wait_for(other.operator_ended, other.told)
        other.start_operator()
        wait_for(lambda: not other.objects(RUNS) and not other.objects(PODS), other.told)

        assert judge(referee.events(uid)) == []
        assert [event for event in referee.events(uid)[len(before) :] if event.what != "CHECKED"] == []
        assert_as_undisturbed(hurt, ended, undisturbed, referee)
        with hurt.client() as client:
            assert client.get_run(name).run.state.finished_at == ended.finished_at
        wait_for(lambda: not hurt.objects(PODS) and not hurt.objects(RUNS), hurt.told)
