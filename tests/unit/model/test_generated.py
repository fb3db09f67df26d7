from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, WorkflowSpec
from limosa_model.admission import validate_closure
from limosa_model.generated import MAX_GRAPH_BYTES, nodes_with_tasks, place_of, too_large, validate_generated
from limosa_model.graph import Index, closure_around, inside, wrap_task
from limosa_model.targets import python_part, task_name

PLAIN = TaskSpec(name="flow.t", python=PythonTask(loader="flow:t"))
MAKER = TaskSpec(name="flow.d", dynamic=PythonTask(loader="flow:d"))


def test_a_dynamic_task_by_itself_is_a_dynamic_node() -> None:
    closure = wrap_task(MAKER)
    assert closure.workflows[0].nodes[0].WhichOneof("target") == "dynamic"
    assert validate_closure(closure) == []


def test_a_dynamic_task_runs_in_no_other_node_and_no_other_task_in_its() -> None:
    for task, kind, says in (
        (MAKER, "task", "task 'flow.d' is a dynamic task; a task node cannot run it"),
        (MAKER, "map", "task 'flow.d' is a dynamic task; a map node cannot run it"),
        (PLAIN, "dynamic", "task 'flow.t' is not a dynamic task; a dynamic node can run nothing else"),
    ):
        workflow = WorkflowSpec(name="flow.w")
        getattr(workflow.nodes.add(id="n0"), kind).task = task.name
        problems = validate_closure(Closure(entry="flow.w", tasks=[task], workflows=[workflow]))
        assert says in [problem.message for problem in problems]


def test_a_dynamic_task_needs_a_loader() -> None:
    broken = TaskSpec(name="flow.d", dynamic=PythonTask(loader="nonsense"))
    assert [problem.code for problem in validate_closure(wrap_task(broken))] == ["TaskLoader"]


def test_locks_of_packages_are_digests() -> None:
    for code in (PythonTask(packages="latest"), PythonTask(package_locks={"ab": "../cd"})):
        code.loader = "flow:d"
        problems = validate_closure(wrap_task(TaskSpec(name="flow.d", dynamic=code)))
        assert [problem.code for problem in problems] == ["TaskPackages"]
    code = PythonTask(loader="flow:d", packages="ab" * 32, package_locks={"ef": "cd" * 32})
    assert validate_closure(wrap_task(TaskSpec(name="flow.d", dynamic=code))) == []


def test_a_graph_has_the_packages_that_were_registered_and_no_others() -> None:
    lock = "cd" * 32
    task = TaskSpec(name="flow.t", python=PythonTask(loader="flow:t", packages=lock))
    made = WorkflowSpec(name="flow.d")
    made.nodes.add(id="n0").task.task = "flow.t"
    closure = Closure(entry="flow.d", tasks=[task], workflows=[made])
    told = [problem.message for problem in validate_generated(closure, MAKER)]
    assert told == [f"its packages {lock[:12]} are none that were locked when the run's code was registered"]
    knowing = TaskSpec(name="flow.d", dynamic=PythonTask(loader="flow:d", package_locks={"ab": lock}))
    assert validate_generated(closure, knowing) == []


def test_a_size_is_refused_with_the_figure() -> None:
    assert too_large(MAX_GRAPH_BYTES) == ""
    assert "4,194,305 bytes, at most 4,194,304" in too_large(MAX_GRAPH_BYTES + 1)


def test_nodes_inside_branches_count_too() -> None:
    workflow = WorkflowSpec(name="flow.w")
    node = workflow.nodes.add(id="b")
    node.branch.else_then.id = "c"
    node.branch.else_then.task.task = "flow.t"
    node.branch.else_then.source.file, node.branch.else_then.source.line = "flow.py", 3
    found = list(nodes_with_tasks(Closure(entry="flow.w", tasks=[PLAIN], workflows=[workflow])))
    assert [(place_of(one), task.name) for one, task in found] == [("flow.py:3: c", "flow.t")]


def test_the_code_of_a_task_whatever_its_kind() -> None:
    assert python_part(PLAIN) is PLAIN.python or python_part(PLAIN) == PLAIN.python
    assert python_part(MAKER) == MAKER.dynamic
    assert python_part(TaskSpec()) is None
    assert task_name(wrap_task(MAKER).workflows[0].nodes[0]) == "flow.d"


def test_names_are_looked_up_in_the_graph_around_a_node() -> None:
    run, made, deeper = wrap_task(MAKER), wrap_task(PLAIN), wrap_task(MAKER)
    graphs = {"n0": made, "n0/n3": deeper}
    assert closure_around(run, "n0", graphs) is run
    assert closure_around(run, "n0/n3", graphs) is made
    assert closure_around(run, "n0/n3/b/c", graphs) is deeper
    index, node = Index(run), run.workflows[0].nodes[0]
    assert list(inside(index, node, None)[1]) == []
    inner, nodes = inside(index, node, made)
    assert (inner.closure, [one.id for one in nodes]) == (made, ["n0"])
