"""Dynamic tasks as an author meets them: compiled, run here, and what is said where they are wrong."""

import pytest

from limosa import LimosaError
from limosa.local import run
from limosa_model.generated import MAX_DYNAMIC_DEPTH

FLOW = """\
from pathlib import Path
from typing import NamedTuple

from limosa import File, conditional, dynamic, map_task, task, workflow


@task
def square(x: int) -> int:
    return x * x


@task
def total(xs: list[int]) -> int:
    return sum(xs)


@task
def read(file: File) -> str:
    return file.open().read()


class Both(NamedTuple):
    first: int
    rest: list[int]


@workflow
def cube(x: int) -> int:
    return total(xs=[square(x=x), x])


@dynamic
def fan(n: int) -> int:
    return total(xs=[square(x=i) for i in range(n)])


@dynamic
def both(n: int) -> Both:
    return Both(cube(x=n), [square(x=1), n])


@dynamic
def nested(n: int) -> int:
    return fan(n=n) if n > 2 else n


@dynamic
def downwards(n: int) -> int:
    if n == 0:
        return square(x=7)
    return downwards(n=n - 1)


@dynamic
def written(text: str) -> str:
    path = Path("note.txt")
    path.write_text(text)
    return read(file=File(path))


@dynamic
def mapped(xs: list[int]) -> list[int]:
    return map_task(square)(x=[x for x in xs if x > 1])


@dynamic
def branched(n: int) -> int:
    a = square(x=n)
    return conditional("big").if_(a > 10).then(square(x=a)).else_().then(square(x=0))


@dynamic
def wrong(n: int) -> int:
    return square(x=str(n))


@dynamic
def raising(n: int) -> int:
    return 1 // n


@dynamic
def short(n: int) -> Both:
    return square(x=n)


@workflow
def wf(n: int) -> int:
    return square(x=fan(n=n))


@workflow
def wf_both(n: int) -> int:
    made = both(n=n)
    return total(xs=[made.first, made.rest[0]])
"""


@pytest.fixture
def flow(author):
    return author.load(FLOW, "flow.py").entities


def test_a_call_in_a_workflow_is_a_dynamic_node(author):
    compiled = author.compile(FLOW, name="flow.py")
    first, second = compiled.closure.workflows[0].nodes
    assert (first.dynamic.task, first.display_name) == ("flow.fan", "fan")
    assert second.inputs[0].data.output.node == first.id
    names = {task.name: task.WhichOneof("target") for task in compiled.closure.tasks}
    assert names == {"flow.fan": "dynamic", "flow.square": "python"}
    assert compiled.closure.tasks[0].dynamic.loader == "flow:fan"


def test_a_dynamic_task_compiles_by_itself(author):
    compiled = author.compile(FLOW, "fan", "flow.py")
    assert compiled.kind == "task"
    assert compiled.closure.workflows[0].nodes[0].dynamic.task == "flow.fan"


def test_a_call_outside_of_a_run_walks_the_graph(flow):
    assert flow["fan"](n=4) == 14
    assert flow["wf"](n=3) == 25
    assert flow["wf_both"](n=3) == 13
    assert flow["both"](n=3) == (12, [1, 3])
    assert flow["nested"](n=3) == 5
    assert flow["nested"](n=2) == 2
    assert flow["mapped"](xs=[1, 2, 3]) == [4, 9]
    assert (flow["branched"](n=2), flow["branched"](n=4)) == (0, 256)


def test_a_file_made_in_the_function_reaches_the_task(flow):
    assert flow["written"](text="hello") == "hello"


def test_inside_a_task_s_function_it_is_a_plain_function(author):
    entities = author.load(FLOW + "\n\n@task\ndef plain(n: int) -> int:\n    return fan(n=n)\n").entities
    assert entities["plain"](n=3) == 5


def test_children_are_told_below_the_node(flow, tmp_path):
    told = []
    result = run(flow["wf"], {"n": 2}, tmp_path, lambda at: told.append((at.path, at.phase)))
    assert result.outputs == {"o0": 1}
    paths = list(dict.fromkeys(path for path, _ in told))
    assert paths == ["n0", "n0/n0", "n0/n1", "n0/n2", "n1"]
    assert [phase for path, phase in told if path == "n0"] == [3, 3, 5]


def test_dynamic_tasks_within_each_other_have_an_end(flow):
    assert flow["downwards"](n=MAX_DYNAMIC_DEPTH - 1) == 49
    with pytest.raises(
        LimosaError, match=f"in {MAX_DYNAMIC_DEPTH + 1} dynamic nodes, at most {MAX_DYNAMIC_DEPTH}"
    ):
        flow["downwards"](n=MAX_DYNAMIC_DEPTH)


def line_of(text):
    return FLOW[: FLOW.index(text)].count("\n") + 1


def test_a_wrong_type_names_the_line_in_the_function(flow):
    with pytest.raises(LimosaError) as caught:
        flow["wrong"](n=3)
    said = str(caught.value)
    assert said.startswith(f"flow.py:{line_of('square(x=str(n))')}: square(): input 'x': expected int, got")


def test_what_the_function_raises_passes_on(flow):
    with pytest.raises(ZeroDivisionError) as caught:
        flow["raising"](n=0)
    assert caught.value.__notes__ == ["in task flow.raising, node n0"]


def test_too_few_outputs_are_said(flow):
    with pytest.raises(
        LimosaError, match="dynamic task short is annotated to return 2 outputs and returns 1"
    ):
        flow["short"](n=1)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("@dynamic(cache=True)\ndef d(x: int) -> int:\n    return x\n", "@dynamic has no option 'cache'"),
        ("@dynamic(gpus=1)\ndef d(x: int) -> int:\n    return x\n", "has no option 'gpus'"),
        ("d = dynamic(3)\n", "@dynamic decorates a function, not int"),
        ("@dynamic\n@task\ndef d(x: int) -> int:\n    return x\n", "@dynamic decorates a function, not Task"),
    ],
)
def test_a_decorator_used_wrongly_says_so(author, source, says):
    with pytest.raises(LimosaError, match=says):
        author.load(f"from limosa import dynamic, task\n{source}")


def test_a_map_over_a_dynamic_task_is_refused(author):
    said = author.error(
        FLOW + "\n\n@workflow\ndef w(xs: list[int]) -> list[int]:\n    return map_task(fan)(n=xs)\n", "w"
    )
    assert "map_task cannot run the dynamic task fan for each item" in said


def test_the_cache_option_is_refused_on_a_call_too(author):
    source = FLOW + "\n\n@workflow\ndef w(n: int) -> int:\n    return fan.with_overrides(cache='v1')(n=n)\n"
    assert "fan is a dynamic task and has no option 'cache'" in author.error(source, "w")


def test_overrides_concern_the_pod_of_the_function(author):
    source = FLOW + "\n\n@workflow\ndef w(n: int) -> int:\n    return fan.with_overrides(retries=4)(n=n)\n"
    compiled = author.compile(source, "w")
    assert compiled.closure.workflows[0].nodes[0].overrides.retry.retries == 4
    assert author.load(source).entities["w"](n=3) == 5
