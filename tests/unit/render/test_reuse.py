"""What a person is told who asks why a resumed run launched a node, or did not."""

import pytest

from limosa.render.reuse import why_reused_or_not
from limosa_idl.admin.v1alpha1.admin_pb2 import Run, RunDetail
from limosa_idl.run.v1alpha1 import run_pb2 as pb


def state(phase=pb.NODE_PHASE_SUCCEEDED, path="n0", index=None, target="flow.t", **more):
    key = pb.SnapshotKey(node_path=path, index=index)
    return pb.Snapshot(key=key, node=pb.NodeState(phase=phase, target=target, **more))


def resumed(*snapshots):
    return RunDetail(run=Run(name="new-heron", resumed_from="old-heron"), snapshots=snapshots)


def old(*snapshots):
    return RunDetail(run=Run(name="old-heron"), snapshots=snapshots)


def told(run, earlier, index=None):
    return why_reused_or_not(run, earlier, "n0", index)


@pytest.mark.parametrize("index", [None, 2])
def test_a_reused_result(index):
    run = resumed(state(index=index, origin=pb.ORIGIN_REUSE, origin_run="first-heron"))
    expected = "reused: in run first-heron the same task had the same inputs"
    assert told(run, old(), index) == expected


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ([state(pb.NODE_PHASE_FAILED)], "run old-heron has no result of it, because it failed there"),
        ([state(pb.NODE_PHASE_ABORTED)], "run old-heron has no result of it, because it was aborted there"),
        ([state(pb.NODE_PHASE_SKIPPED)], "run old-heron has no result of it, because it did not run there"),
        ([state(path="n1")], "run old-heron has no result of it, because it did not run there"),
        ([state(target="flow.other")], "in run old-heron flow.other stood there"),
        (
            [state()],
            "run old-heron has a result of it, for other inputs; or --from asked for it, or for one before it",
        ),
    ],
)
def test_a_launch(before, why):
    assert told(resumed(state(launches=1)), old(*before)) == f"launched: {why}"


def test_an_item_of_a_map_that_was_launched():
    run, before = resumed(state(index=2, launches=1)), old(state(pb.NODE_PHASE_FAILED, index=2))
    assert told(run, before, 2) == "launched: run old-heron has no result of it, because it failed there"


def test_a_run_that_was_deleted():
    assert "run old-heron is not there any more" in told(resumed(state(launches=1)), None)


def test_a_map_counts():
    items = [state(index=at, origin=pb.ORIGIN_REUSE if at else pb.ORIGIN_UNSPECIFIED) for at in range(3)]
    assert told(resumed(state(items=3), *items), old()) == "2 of its 3 items are reused from run old-heron"


def test_what_there_is_nothing_to_tell_of():
    fresh = RunDetail(run=Run(name="new-heron"), snapshots=[state(launches=1)])
    assert told(fresh, None) == ""
    assert told(resumed(), old(state())) == ""
    assert told(resumed(state(pb.NODE_PHASE_WAITING)), old(state())) == ""
