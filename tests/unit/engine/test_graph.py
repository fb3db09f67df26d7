import engine_graphs as graphs
import pytest

from limosa_engine import GraphError, Item, new_state, step
from limosa_engine import events as ev
from limosa_engine.graph import MAX_NODES


def test_paths_are_prefixed_by_what_is_around() -> None:
    spec = {
        "tasks": {"t": {}},
        "workflows": {
            "main": {"nodes": {"s": {"workflow": "sub"}}},
            "sub": {
                "nodes": {
                    "b": {
                        "with": {"v": 1},
                        "branch": [{"if": "v > 0", "then": {"c": {"task": "t"}}}],
                        "fail": "x",
                    }
                }
            },
        },
    }
    graph = graphs.build(spec)
    assert [plan.path for plan in graph.nodes] == ["s", "s/b", "s/b/c"]
    assert [plan.kind for plan in graph.nodes] == ["sub_workflow", "branch", "task"]


def test_overrides_are_applied_to_the_task() -> None:
    node = {"task": "t", "with": {"x": 1}, "overrides": {"retries": 7}}
    graph = graphs.build({"tasks": {"t": {"retries": 1}}, "nodes": {"n0": node}})
    assert graph.task_of(Item("n0")).retry.retries == 7
    assert graph.nodes[0].budget.user == 7


def test_asking_a_branch_for_its_task_is_a_bug() -> None:
    node = {"with": {"v": 1}, "branch": [{"if": "v > 0", "then": {"c": {"task": "t"}}}], "fail": "x"}
    graph = graphs.build({"tasks": {"t": {}}, "nodes": {"b": node}})
    with pytest.raises(TypeError, match="b is a branch node"):
        graph.task_of(Item("b"))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"nodes": {"n": {"task": "t"}}}, "node 'n': the closure has no task 't'"),
        ({"nodes": {"n": {"workflow": "sub"}}}, "no workflow 'sub'"),
        ({"nodes": {"n": {"workflow": "main"}}}, "'main' contains itself: main > main"),
    ],
)
def test_what_cannot_be_run_is_said(spec: dict[str, object], says: str) -> None:
    with pytest.raises(GraphError, match=says):
        graphs.build(spec)


def test_a_few_workflows_may_stand_for_billions_of_nodes() -> None:
    workflows = {"w0": {"nodes": {"n": {"task": "t", "with": {"x": 1}}}}}
    for depth in range(1, 20):
        nodes = {f"n{i}": {"workflow": f"w{depth - 1}"} for i in range(10)}
        workflows[f"w{depth}"] = {"nodes": nodes}
    workflows["main"] = workflows.pop("w19")
    with pytest.raises(GraphError, match=f"at most {MAX_NODES} are allowed"):
        graphs.build({"tasks": {"t": {}}, "workflows": workflows})


def test_a_step_costs_the_same_in_a_large_graph() -> None:
    def looked_at(width: int) -> int:
        nodes = {f"n{i}": {"task": "t", "with": {"x": f"n{i - 1}.o0" if i else 1}} for i in range(width)}
        graph = graphs.build({"tasks": {"t": {}}, "nodes": nodes})
        state = new_state(graph, 0.0)
        step(graph, state, [ev.RunStarted(), ev.PodsListed()], 1.0)
        touched: list[int] = []

        class Counting(list):  # type: ignore[type-arg]
            def __getitem__(self, index):  # type: ignore[no-untyped-def]
                touched.append(index)
                return super().__getitem__(index)

            def __iter__(self):  # type: ignore[no-untyped-def]
                raise AssertionError("a walk over all nodes")

        state.nodes = Counting(state.nodes)
        step(graph, state, [ev.PodCreated(Item("n0"), 0, "uid")], 2.0)
        return len(touched)

    assert looked_at(2) == looked_at(200)
