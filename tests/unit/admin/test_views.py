"""Fragments of pages, from messages to HTML."""

import datetime as dt

import pytest

from limosa_admin.web import (
    failure_view,
    graph_view,
    items_view,
    run_tree,
    runs_page,
    timeline_view,
    value_view,
)
from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse
from limosa_idl.core.v1alpha1.failure_pb2 import ExceptionDetails, FailureOrigin, Frame
from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_STRING, LiteralType
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import failures, values

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
HOSTILE = "<script>alert(1)</script>"
STRING = LiteralType(simple=SIMPLE_TYPE_STRING)


def closure() -> wf.Closure:
    task = wf.TaskNode(task="m.t")
    case = wf.BranchNode.Case(
        condition=wf.Condition(truth=wf.Operand(input="flag")), then=wf.Node(id="yes", task=task)
    )
    branch = wf.BranchNode(cases=[case], else_then=wf.Node(id="no", task=task))
    inner = wf.WorkflowSpec(name="m.inner", nodes=[wf.Node(id="n0", task=task)])
    nodes = [
        wf.Node(id="n0", task=task, display_name=HOSTILE),
        wf.Node(id="n1", map=wf.MapNode(task="m.t"), upstream=["n0"]),
        wf.Node(id="n2", branch=branch, upstream=["n1"]),
        wf.Node(id="n3", sub_workflow=wf.SubWorkflowNode(workflow="m.inner"), upstream=["n2"]),
    ]
    return wf.Closure(entry="m.wf", workflows=[wf.WorkflowSpec(name="m.wf", nodes=nodes), inner])


def snapshot(path: str, state: run_pb2.NodeState, index: int | None = None) -> run_pb2.Snapshot:
    made = run_pb2.Snapshot(node=state)
    made.key.node_path = path
    if index is not None:
        made.key.index = index
    return made


def link(node: run_tree.TreeNode) -> str:
    return f"?node={node.path}"


@pytest.mark.parametrize(
    ("origin", "run", "told"),
    [
        (run_pb2.ORIGIN_REUSE, "old-heron", "reused, from run old-heron"),
        (run_pb2.ORIGIN_CACHE, "old-heron", "cached, from run old-heron"),
        (run_pb2.ORIGIN_REUSE, "", "reused"),
        (run_pb2.ORIGIN_UNSPECIFIED, "", ""),
    ],
)
def test_a_result_that_was_taken_over_says_whose_it_is(origin: int, run: str, told: str) -> None:
    done = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED, origin=origin, origin_run=run)
    tree = run_tree.build(closure(), [snapshot("n0", done), snapshot("n1", done), snapshot("n1", done, 4)])
    timeline = str(timeline_view.render(tree, link, "", (NOW, NOW)))
    items = str(items_view.render(next(node for node in tree.walk() if node.path == "n1"), None, NOW))
    for shown in (timeline, items):
        assert ("from run" in shown, "reused" in shown) == ("from" in told, "reused" in told)
        assert told in shown


def test_the_tree_has_every_node_and_what_is_known_of_it() -> None:
    done = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED)
    taken = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING, branch_taken="no")
    skipped = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SKIPPED)
    known = [snapshot("n0", done), snapshot("n1", done, 4), snapshot("n2", taken), snapshot("n3", skipped)]
    tree = run_tree.build(closure(), [*known, snapshot("unknown", done)])
    assert [(node.path, node.phase) for node in tree.walk()] == [
        ("n0", "succeeded"),
        ("n1", "waiting"),
        ("n2", "running"),
        ("n2/yes", "skipped"),
        ("n2/no", "waiting"),
        ("n3", "skipped"),
        ("n3/n0", "skipped"),
    ]
    assert tree.edges == [("n0", "n1"), ("n1", "n2"), ("n2", "n3")]
    assert list(tree.nodes[1].items) == [4]
    assert [child.case for child in tree.nodes[2].children] == ["if flag", "else"]


def test_what_a_dynamic_node_runs_lies_below_it_once_it_is_known() -> None:
    run = closure()
    run.workflows[0].nodes.add(id="n4").dynamic.task = "m.d"
    inner = wf.WorkflowSpec(
        name="m.d",
        nodes=[
            wf.Node(id="n0", task=wf.TaskNode(task="m.other")),
            wf.Node(id="n1", dynamic=wf.DynamicNode(task="m.d"), upstream=["n0"]),
        ],
    )
    made = wf.Closure(entry="m.d", workflows=[inner])
    assert run_tree.build(run, []).nodes[4].children == []
    running = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING, graph=made)
    tree = run_tree.build(
        run, [snapshot("n4/n1/n0", running), snapshot("n4", running), snapshot("n4/n1", running)]
    )
    found = tree.find("n4/n1/n0")
    assert found is not None
    assert (found.kind, found.target, found.phase) == ("task", "m.other", "running")
    assert tree.nodes[4].edges == [("n0", "n1")]
    assert (tree.nodes[4].kind, tree.nodes[4].target) == ("dynamic", "m.d")
    assert 'href="?node=n4/n1/n0"' in graph_view.render(tree, link, "n4", NOW)


def test_what_an_eager_node_called_lies_below_it() -> None:
    run = closure()
    run.workflows[0].nodes.add(id="n4").eager.task = "m.e"
    running = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING)
    called = {}
    for name in ("e10", "e2"):
        entry = wf.WorkflowSpec(name="m.e", nodes=[wf.Node(id=name, task=wf.TaskNode(task="m.other"))])
        made = wf.Closure(entry="m.e", workflows=[entry])
        called[name] = snapshot(f"n4/{name}", run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING, call=made))
    tree = run_tree.build(run, [snapshot("n4", running), *called.values()])
    assert [(node.path, node.target, node.phase) for node in tree.nodes[4].children] == [
        ("n4/e2", "m.other", "running"),
        ("n4/e10", "m.other", "running"),
    ]
    assert 'href="?node=n4/e10"' in graph_view.render(tree, link, "n4", NOW)


def test_the_picture_links_every_node_and_escapes_its_name() -> None:
    tree = run_tree.build(closure(), [])
    picture = graph_view.render(tree, link, "n1", NOW)
    for node in tree.walk():
        assert f'href="?node={node.path}"' in picture
    assert "<script" not in picture
    assert picture.count("selected") == 1
    assert "style=" not in picture


def test_large_and_empty_graphs_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_view, "MOST_NODES", 3)
    tree = run_tree.build(closure(), [])
    assert "More than 3 nodes" in graph_view.render(tree, link, "", NOW)
    assert "no nodes" in graph_view.render(run_tree.RunTree([], []), link, "", NOW)


def test_bars_lie_where_the_time_was() -> None:
    state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED)
    state.started_at.FromDatetime(NOW - dt.timedelta(seconds=75))
    state.finished_at.FromDatetime(NOW - dt.timedelta(seconds=50))
    tree = run_tree.build(closure(), [snapshot("n0", state)])
    table = timeline_view.render(tree, link, "", (NOW - dt.timedelta(seconds=100), NOW))
    assert '<rect x="250.0" y="0" width="250.0" height="10" class="ran succeeded">' in table
    assert "25.0 s" in table


def test_a_result_that_was_taken_over_has_no_bar_of_waiting() -> None:
    state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED, origin=run_pb2.ORIGIN_CACHE, origin_run="o")
    state.queued_at.FromDatetime(NOW - dt.timedelta(seconds=75))
    tree = run_tree.build(closure(), [snapshot("n1", state)])
    assert "<rect" not in timeline_view.render(tree, link, "", (NOW - dt.timedelta(seconds=100), NOW))
    picture = graph_view.render(tree, link, "", NOW)
    assert ">map · cached</text>" in picture
    assert "cached, from run o" in picture


def test_what_never_began_waited_only_until_it_ended() -> None:
    state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_ABORTED)
    state.queued_at.FromDatetime(NOW - dt.timedelta(seconds=75))
    state.finished_at.FromDatetime(NOW - dt.timedelta(seconds=50))
    tree = run_tree.build(closure(), [snapshot("n1", state)])
    table = timeline_view.render(tree, link, "", (NOW - dt.timedelta(seconds=100), NOW))
    assert '<rect x="250.0" y="0" width="250.0" height="10" class="waited">' in table


def test_what_was_aborted_before_it_began_was_not_run() -> None:
    state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_ABORTED)
    launch = run_pb2.Snapshot(launch=run_pb2.LaunchState(phase=run_pb2.LAUNCH_PHASE_ABORTED))
    launch.key.node_path, launch.key.index = "n1", 1
    known = [snapshot("n0", state), snapshot("n1", state), snapshot("n1", state, 0), snapshot("n1", state, 1)]
    tree = run_tree.build(closure(), [*known, launch])
    assert [node.phase for node in tree.nodes[:2]] == ["not run", "aborted"]
    assert '<span class="pill not-run">not run</span>' in timeline_view.render(tree, link, "", (NOW, NOW))
    items = items_view.render(tree.nodes[1], None, NOW)
    assert items.index("not run") < items.index("[1]") < items.index(">aborted<")


@pytest.mark.parametrize(
    ("above", "word"),
    [
        (run_pb2.NODE_PHASE_ABORTED, "not run"),
        (run_pb2.NODE_PHASE_FAILED, "not run"),
        (run_pb2.NODE_PHASE_SKIPPED, "skipped"),
        (run_pb2.NODE_PHASE_RUNNING, "waiting"),
    ],
)
def test_nothing_waits_below_what_has_ended(above, word: str) -> None:
    tree = run_tree.build(closure(), [snapshot("n3", run_pb2.NodeState(phase=above))])
    assert tree.nodes[3].children[0].phase == word


def test_attempts_are_counted_from_one_and_lead_to_their_logs() -> None:
    launches = []
    for ordinal in (0, 1):
        launches.append(run_pb2.Snapshot(launch=run_pb2.LaunchState(launch_id=f"l{ordinal}")))
        launches[-1].key.node_path, launches[-1].key.index, launches[-1].key.launch = "n1", 3, ordinal
    node = run_tree.build(closure(), launches).nodes[1]
    table = items_view.attempts(node, 3, 2, NOW)
    assert table is not None
    assert '<tr><td><a href="?node=n1&amp;index=3&amp;attempt=1#logs"' in table
    assert '<tr class="selected"><td><a href="?node=n1&amp;index=3&amp;attempt=2#logs"' in table
    assert ">attempt 2</a>" in table
    assert items_view.attempts(node, None, None, NOW) is None


def test_a_condition_reads_with_names_of_nodes() -> None:
    run = closure()
    workflow = run.workflows[0]
    workflow.nodes[1].display_name = "score them"
    for name in ("n1.best", "n1x", "flag"):
        binding = workflow.nodes[2].inputs.add(name=name)
        binding.data.output.node = "n1"
    case = workflow.nodes[2].branch.cases[0].condition
    case.truth.input = "n1.best"
    (taken, _) = run_tree.build(run, []).nodes[2].children
    assert taken.case == "if score them.best"
    case.truth.input = "n1x"
    assert run_tree.build(run, []).nodes[2].children[0].case == "if n1x"


def test_a_reason_never_lies_over_a_time() -> None:
    state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING)
    state.reason.code = "PodUnschedulable"
    state.started_at.FromDatetime(NOW - dt.timedelta(seconds=164))
    picture = graph_view.render(run_tree.build(closure(), [snapshot("n3/n0", state)]), link, "", NOW)
    assert ">PodUnschedulable</text>" in picture
    assert "2 m 44 s" not in picture
    state.reason.code = "Quota"
    picture = graph_view.render(run_tree.build(closure(), [snapshot("n3/n0", state)]), link, "", NOW)
    assert ">Quota</text>" in picture
    assert "2 m 44 s" in picture


@pytest.mark.parametrize(
    ("query", "told"), [({}, "No runs here yet"), ({"phase": "failed"}, "No runs match")]
)
def test_an_empty_list_says_whether_it_was_narrowed(query: dict[str, str], told: str) -> None:
    assert told in runs_page.table([], query)


def test_a_failure_shows_the_failing_line() -> None:
    frame = Frame(file="a.py", line=7, function="f", source=["x = 1", "y = <b>", "z"], source_start=6)
    exception = ExceptionDetails(type="ValueError", message=HOSTILE, frames=[frame], traceback=HOSTILE)
    origin = FailureOrigin(node_path="n1", index=3, task="m.t")
    panel = failure_view.render(failures.user("UserException", "m", origin=origin, exception=exception))
    assert '<span class="failing">❯     7 │ y = &lt;b&gt;</span>' in panel
    assert "node n1[3]" in panel
    assert "in the workflow&#x27;s code or data" in panel
    assert "<script" not in panel
    odd = failure_view.render(failures.user("Exited", "m", remedy="write <it>"))
    assert "→ write &lt;it&gt;" in odd
    system = failure_view.render(failures.system("Evicted", HOSTILE))
    assert "in the platform" in system
    assert "<script" not in system


@pytest.mark.parametrize(
    "installed", ["/opt/py/site-packages/pandas/base.py", ".venv/lib/site-packages/pandas/base.py"]
)
def test_a_failure_raised_in_a_library_shows_the_authors_line(installed: str) -> None:
    """As the command line does: both take it from `telling_frame`."""
    frames = [
        Frame(file="pipe.py", line=22, function="mean", source=["df[col]"], source_start=22),
        Frame(file=installed, line=9, function="get_loc", source=["raise"], source_start=9),
    ]
    panel = str(
        failure_view.render(failures.user("UserException", "m", exception=ExceptionDetails(frames=frames)))
    )
    assert "pipe.py:22 in mean" in panel
    assert "df[col]" in panel
    assert "get_loc" not in panel
    assert failures.telling_frame(frames[1:]) is frames[1]


def test_the_failure_of_a_node_or_item_is_found_by_its_origin() -> None:
    failed = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_FAILED, failure=failures.user("A", "whole"))
    item = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_FAILED, failure=failures.user("B", "item"))
    tree = run_tree.build(closure(), [snapshot("n1", failed), snapshot("n1", item, 0)])
    assert tree.failure_at(FailureOrigin(node_path="n1")) == failed.failure
    assert tree.failure_at(FailureOrigin(node_path="n1", index=0)) == item.failure
    assert tree.failure_at(FailureOrigin(node_path="n0")) is None
    assert tree.failure_at(FailureOrigin(node_path="gone")) is None


def test_a_map_that_too_many_items_of_failed_says_how_many_it_needs() -> None:
    node = wf.Node(id="n0", map=wf.MapNode(task="m.t", min_successes=3))
    closure = wf.Closure(entry="m.w", workflows=[wf.WorkflowSpec(name="m.w", nodes=[node])])
    counts = {"items": 5, "items_succeeded": 2, "items_failed": 3}
    state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_FAILED, **counts)
    told = run_pb2.Snapshot(key=run_pb2.SnapshotKey(node_path="n0"), node=state)
    (made,) = run_tree.build(closure, [told]).nodes
    assert made.unmet == "min_successes=3 needs 3 of 5 items; 3 failed"
    assert made.unmet in failure_view.render(failures.user("Odd", "m"), made.unmet)
    told.node.items_failed = 2
    (fine,) = run_tree.build(closure, [told]).nodes
    assert fine.unmet == ""


def test_values_are_escaped_shortened_and_hidden_where_sensitive() -> None:
    data = GetRunDataResponse()
    for name, sensitive in (("a", False), ("b", True), ("c", False), ("d", False)):
        data.interface.inputs.append(
            Variable(name=name, type=STRING, sensitive=sensitive, description=HOSTILE)
        )
    data.inputs.literals["a"].CopyFrom(values.string(HOSTILE))
    data.inputs.literals["b"].CopyFrom(values.string("hunter2"))
    data.inputs.literals["c"].CopyFrom(values.string("x" * 5000))
    blob = Blob(uri="s3://b/demo/development/a&b", name=HOSTILE, size=2500)
    data.inputs.literals["d"].CopyFrom(Literal(blob=blob))
    shown = value_view.render(data, note=HOSTILE)
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</p>" in shown
    assert "hunter2" not in shown
    assert "1000 more characters" in shown
    assert 'href="/download?uri=s3%3A%2F%2Fb%2Fdemo%2Fdevelopment%2Fa%26b"' in shown
    assert "2.5 kB" in shown


def test_what_is_not_known_yet_differs_from_what_will_never_be() -> None:
    data = GetRunDataResponse()
    data.interface.inputs.append(Variable(name="a", type=STRING))
    data.interface.outputs.append(Variable(name="o0", type=STRING))
    assert value_view.render(data).count("…") == 2
    ended = value_view.render(data, over="the run failed")
    assert "…" not in ended
    assert "no inputs: the run failed" in ended
    assert "no outputs: the run failed" in ended
    data.outputs.literals["o0"].CopyFrom(values.string("there it is"))
    known = value_view.render(data, over="the run failed")
    assert "there it is" in known
    assert "no outputs" not in known
    data.interface.ClearField("outputs")
    assert "no outputs" not in value_view.render(data, over="the run failed")


def test_items_that_failed_come_first() -> None:
    states = {0: run_pb2.NODE_PHASE_SUCCEEDED, 1: run_pb2.NODE_PHASE_RUNNING, 2: run_pb2.NODE_PHASE_FAILED}
    known = [snapshot("n1", run_pb2.NodeState(phase=phase), index) for index, phase in states.items()]
    table = items_view.render(run_tree.build(closure(), known).nodes[1], 1, NOW)
    assert table.index("[2]") < table.index("[1]") < table.index("[0]")
    assert "Items (3)" in table
