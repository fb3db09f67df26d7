"""Clusters on a real Postgres: who is there, and what becomes of the runs of one that is given up."""

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from limosa_admin.identity import Role
from limosa_admin.store.schema import clusters
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2


def silence(stand: Any, uid: str, minutes: int = 5) -> None:
    """The cluster was last heard of so long ago."""
    earlier = sa.update(clusters).where(clusters.c.uid == uid)
    with stand.database.transaction() as connection:
        connection.execute(earlier.values(last_seen=sa.func.now() - sa.text(f"interval '{minutes} min'")))


def test_clusters_are_listed_with_their_runs(stand: Any) -> None:
    stand.register()
    stand.create("calm-heron")
    stand.sync("c1")
    stand.sync("c2")
    silence(stand, "c1")
    found = {one.uid: one for one in stand.admin.clusters.ListClusters(pb.ListClustersRequest()).clusters}
    assert (found["c1"].active_runs, found["c1"].in_contact) == (1, False)
    assert (found["c2"].active_runs, found["c2"].in_contact) == (0, True)
    assert found["c2"].last_seen.seconds - found["c1"].last_seen.seconds >= 300


def test_runs_of_a_lost_cluster_go_to_another_in_a_later_epoch(stand: Any) -> None:
    stand.register()
    uid = stand.create("calm-heron").uid
    (first,) = stand.sync("c1")
    silence(stand, "c1")
    assert stand.admin.clusters.LoseCluster(pb.LoseClusterRequest(name="c1")).released_runs == 1
    (second,) = stand.sync("c2")
    assert (first.run_uid, second.run_uid) == (uid, uid)
    assert second.epoch.number == first.epoch.number + 1


def test_a_cluster_in_contact_is_kept_unless_forced(stand: Any) -> None:
    stand.register()
    stand.create("calm-heron")
    stand.sync("c1")
    with pytest.raises(grpc.RpcError) as refused:
        stand.admin.clusters.LoseCluster(pb.LoseClusterRequest(name="c1"))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "is in contact" in refused.value.details()
    assert "--force" in refused.value.details()
    assert stand.admin.clusters.LoseCluster(pb.LoseClusterRequest(name="c1", force=True)).released_runs == 1


def test_a_name_that_nobody_has_is_told_with_those_that_there_are(stand: Any) -> None:
    stand.sync("c1")
    with pytest.raises(grpc.RpcError) as refused:
        stand.admin.clusters.LoseCluster(pb.LoseClusterRequest(name="c9"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert "no cluster 'c9'; known: c1-name" in refused.value.details()


def test_only_an_admin_of_everything_gives_up_a_cluster(stand: Any) -> None:
    for token in (stand.token(Role.CONTRIBUTOR), stand.token(Role.ADMIN, "demo")):
        with pytest.raises(grpc.RpcError) as refused:
            stand.client(token).clusters.LoseCluster(pb.LoseClusterRequest(name="c1"))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_call_that_a_lost_cluster_has_left_open_takes_nothing_back(stand: Any) -> None:
    """Its machine is cut off; to admin the connection still stands."""
    stand.register()
    stand.create("calm-heron")
    (run,) = stand.sync("c1")
    held = run_pb2.RunState(phase=run_pb2.RUN_PHASE_RUNNING)
    report = pb.RunReport(run_uid=run.run_uid, epoch=run.epoch, phase=held.phase)
    with ThreadPoolExecutor() as pool:
        left_open = pool.submit(stand.sync, "c1", wait_ms=3000, runs=[report])
        assert not wait([left_open], 0.5).done
        stand.admin.clusters.LoseCluster(pb.LoseClusterRequest(name="c1", force=True))
        assert [wish.desired for wish in left_open.result()] == [pb.DESIRED_FORGET]
    # Cleared by a new call: whoever is back is back, and may take others' runs, or this one where nobody else did.
    (again,) = stand.sync("c1")
    assert again.epoch.number == run.epoch.number + 1
