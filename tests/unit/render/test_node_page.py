"""What `limosa get run RUN NODE` shows."""

import runs

from limosa.render.node_page import node_page
from limosa.render.run_view import RunView
from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_model import values


def view_of(update):
    view = RunView()
    view.apply(update)
    return view


def page(update, path, index=None, data=None, flags=""):
    return node_page(view_of(update), path, index, data or GetRunDataResponse(), runs.NOW, flags)


def test_a_map_shows_the_items_that_went_wrong(screen, golden):
    data = GetRunDataResponse(note="outputs: n1 has no result: the node failed", inputs=runs.INPUTS)
    golden("node-map", screen(page(runs.with_attempts(), "n1", data=data)))


def test_an_item_shows_its_own_attempts(screen, golden):
    golden("node-item", screen(page(runs.with_attempts(), "n1", 2, GetRunDataResponse(inputs=runs.INPUTS))))


def test_a_node_that_succeeded(screen):
    outputs = LiteralMap(literals={"o0": values.integer(7)})
    text = screen(page(runs.with_attempts(), "n0", data=GetRunDataResponse(outputs=outputs), flags="-p x"))
    assert text.splitlines()[0] == "✓ calm-heron-4f2a n0 clean succeeded after 0.8 s"
    assert "1        succeeded  0.8 s  calm-heron-4f2a-0" in text
    assert "  o0  7" in text
    assert "limosa logs calm-heron-4f2a n0 -p x" in text


def test_a_node_that_waits_says_for_what_and_what_to_do(screen):
    text = screen(page(runs.waiting(7), "n1"))
    assert "Unschedulable: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu." in text
    assert "→ Ask for less (resources=…)" in text


def test_a_node_whose_turn_never_came(screen):
    assert screen(page(runs.ABORTED, "n2")).splitlines()[0] == "– calm-heron-4f2a n2 choose not run"
    waiting = runs.update(pb.RUN_PHASE_RUNNING)
    assert screen(page(waiting, "n2")).splitlines()[0] == "· calm-heron-4f2a n2 choose waiting"


def test_a_sub_workflow_shows_its_nodes(screen):
    text = screen(page(runs.long_run(runs.THREE_HUNDRED), "n140"))
    assert "✗ n20 clean" in text
    assert "n139" not in text
    assert len([line for line in text.splitlines() if " clean" in line]) == 30


def test_many_attempts_are_counted(screen):
    update = runs.with_attempts()
    failed = pb.LAUNCH_PHASE_FAILED
    update.snapshots.extend(runs.launch("n1", i, failed, i, i + 1, index=3) for i in range(60))
    text = screen(page(update, "n1"))
    assert len(text.splitlines()) < 50
    assert "… 42 more and 2 that succeeded: limosa get run calm-heron-4f2a n1 -o json" in text


def test_a_long_reason_leaves_every_column_in_its_place(screen):
    update = runs.with_attempts(runs.failed("SecretMissing", "no secret"))
    update.snapshots[-1].launch.failure.message = "n1[0]: secret not found; " * 20
    lines = screen(page(update, "n1")).splitlines()
    assert any(line.startswith("  [2] 2    failed  2.3 s  calm-heron-4f2a-1  ") for line in lines)


def test_an_attempts_time_begins_when_it_was_made(screen):
    """Kubernetes gives whole seconds, so that a start may seem to be before the launch."""
    update = runs.with_attempts()
    launch = next(one.launch for one in update.snapshots if one.launch.launch_id == "n0-None-0")
    launch.started_at.CopyFrom(runs.at(0))
    assert launch.created_at == runs.at(0.1)
    assert "succeeded  0.8 s" in screen(page(update, "n0"))
    launch.finished_at.CopyFrom(runs.at(0))
    assert "succeeded  0.0 s" in screen(page(update, "n0"))


def test_a_cached_map_says_how_many_of_its_items_were(screen):
    taken = [
        pb.Snapshot(
            key=pb.SnapshotKey(node_path="n1", index=index),
            seq=1,
            node=pb.NodeState(phase=pb.NODE_PHASE_SUCCEEDED, origin=pb.ORIGIN_CACHE),
        )
        for index in range(3)
    ]
    found = runs.update(
        pb.RUN_PHASE_SUCCEEDED,
        runs.node("n1", pb.NODE_PHASE_SUCCEEDED, 1, 2, kind="map", items=4, items_succeeded=4),
        *taken,
    )
    assert "map, 4/4 items, 3 cached" in screen(page(found, "n1"))
