"""A run that came and went leaves nothing in admin's memory, however long that lives."""

import gc
from collections.abc import Callable
from typing import Any

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2


def test_a_run_that_came_and_went_leaves_nothing(
    stand: Any, holdings: Callable[[str], dict[str, int]]
) -> None:
    stand.register()
    found = []
    for turn in range(3):
        _come_and_go(stand, f"run-{turn}")
        gc.collect()
        found.append(holdings("limosa_admin"))
    assert found[1] == found[2]


def _come_and_go(stand: Any, name: str) -> None:
    """Created, claimed, watched, asked for in the cache, ended, read, forgotten."""
    stand.create(name)
    (desired,) = stand.sync()
    run = pb.RunId(project="demo", domain="development", name=name)
    updates = stand.admin.runs.WatchRun(pb.WatchRunRequest(id=run))
    next(updates)
    stand.publish(desired, ("n0", None, None, run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING)))
    lookup = pb.LookupCacheRequest.Lookup(
        run_uid=desired.run_uid, node_path="n0", task="t", key=name, reserve=True
    )
    stand.operator.operator.LookupCache(pb.LookupCacheRequest(cluster_uid="c1", lookups=[lookup]))
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED, seq=2)
    assert list(updates)
    stand.admin.runs.GetRunData(pb.GetRunDataRequest(id=run))
    stand.sync(runs=[pb.RunReport(run_uid=desired.run_uid, epoch=desired.epoch)])
    stand.admin.runs.DeleteRun(pb.DeleteRunRequest(id=run))
