"""`limosa cluster`."""

import json

import grpc
from fake_admin import Refuse
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb


def test_clusters_are_listed(limosa, admin):
    seen = Timestamp(seconds=1_700_000_000)
    known = [
        pb.Cluster(uid="u1", name="east", last_seen=seen, active_runs=3),
        pb.Cluster(uid="u2", name="west", last_seen=seen, in_contact=True),
    ]
    admin.script["ListClusters"] = [pb.ListClustersResponse(clusters=known)]
    head, east, west = limosa("cluster", "list").out.splitlines()
    assert head.split() == ["NAME", "UID", "CONTACT", "RUNS"]
    assert east.split()[:4] == ["east", "u1", "none", "for"]
    assert east.split()[-1] == "3"
    assert west.split() == ["west", "u2", "yes", "0"]
    told = json.loads(limosa("cluster", "list", "-o", "json").out)[0]
    assert told == {
        "name": "east",
        "uid": "u1",
        "runs": 3,
        "in_contact": False,
        "last_seen": "2023-11-14T22:13:20Z",
    }


def test_a_cluster_is_given_up(limosa, admin):
    admin.script["LoseCluster"] = [pb.LoseClusterResponse(released_runs=2)]
    result = limosa("cluster", "lost", "east", "--force")
    assert (result.status, result.err.splitlines()[-1]) == (0, "2 runs of cluster east can go on elsewhere")
    ((_, request, _),) = [call for call in admin.calls if call[0] == "LoseCluster"]
    assert (request.name, request.force) == ("east", True)


def test_one_without_runs_is_told_as_such(limosa, admin):
    admin.script["LoseCluster"] = [pb.LoseClusterResponse()]
    assert "cluster east has no runs under way" in limosa("cluster", "lost", "east").err


def test_why_it_is_kept_is_said(limosa, admin):
    told = "cluster east is in contact: its runs go on there"
    admin.script["LoseCluster"] = [Refuse(grpc.StatusCode.FAILED_PRECONDITION, told)]
    result = limosa("cluster", "lost", "east")
    assert result.status != 0
    assert told in " ".join(result.err.split())
