"""Launches of dynamic tasks as processes: what their commits hold, and how they fail."""

import base64

import pytest
from launch_rig import Pod

from limosa_idl.run.v1alpha1.run_pb2 import TerminationRecord
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model import values
from limosa_model.admission import validate_closure
from limosa_model.digests import sha256_hex

HEADER = """\
from limosa import File, dynamic, map_task, task, workflow
import os, random

@task(retries=2)
def square(x: int) -> int:
    return x * x

@task(container_image="own:1")
def total(xs: list[int]) -> int:
    return sum(xs)

@task
def size(text: str) -> int:
    return len(text)

@workflow
def cube(x: int) -> int:
    return total(xs=[square(x=x), x])

"""


class DynamicPod(Pod):
    """A dynamic task `f` of package `flows`, ready to be launched; no mark of a source root travels with it."""

    def __init__(self, tmp_path, source):
        super().__init__(tmp_path, source, HEADER, "flows.train", image="team/base:2")

    @property
    def graph(self):
        commit = self.commit
        if commit.WhichOneof("graph") == "graph_inline":
            return Closure.FromString(commit.graph_inline)
        data = self.store.get(self.store.key(commit.graph_offloaded.uri))
        assert commit.graph_offloaded.digest == "sha256:" + sha256_hex(data)
        return Closure.FromString(data)


FAN = """
@dynamic
def f(n: int) -> int:
    return total(xs=[square(x=i) for i in range(n)] + [cube(x=n)])
"""


def test_the_commit_holds_a_graph_that_runs_the_same_code(tmp_path):
    pod = DynamicPod(tmp_path, FAN)
    assert pod.run(inputs={"n": values.integer(3)}) == 0, pod.output
    graph = pod.graph
    assert validate_closure(graph) == []
    assert not pod.commit.HasField("inline")
    assert graph.entry == "flows.train.f"
    assert [task.name for task in graph.tasks] == ["flows.train.square", "flows.train.total"]
    assert {task.python.bundle_digest for task in graph.tasks} == {pod.environment.bundle}
    assert [task.python.loader for task in graph.tasks] == ["flows.train:square", "flows.train:total"]
    assert [task.container_image for task in graph.tasks] == ["team/base:2", "own:1"]
    entry = next(workflow for workflow in graph.workflows if workflow.name == graph.entry)
    assert [node.display_name for node in entry.nodes] == ["square", "square", "square", "cube", "total"]
    assert values.to_plain(entry.nodes[2].inputs[0].data.literal) == 2
    line = (HEADER + FAN).split("\n").index(
        "    return total(xs=[square(x=i) for i in range(n)] + [cube(x=n)])"
    ) + 1
    assert (entry.nodes[0].source.file, entry.nodes[0].source.line) == ("flows/train.py", line)
    assert not entry.interface.inputs
    word = pod.last_word
    assert word.outcome == TerminationRecord.OUTCOME_COMMITTED
    assert not word.HasField("outputs")


def test_the_first_of_two_graphs_stays(tmp_path):
    source = "@dynamic\ndef f(n: int) -> int:\n    return square(x=random.getrandbits(60))\n"
    pod = DynamicPod(tmp_path, source)
    assert pod.run(inputs={"n": values.integer(3)}) == 0, pod.output
    first = pod.graph
    assert pod.run(inputs={"n": values.integer(3)}, launch=1, launch_id="launchbbbb") == 0
    assert pod.last_word.outcome == TerminationRecord.OUTCOME_SUPERSEDED
    assert pod.graph == first


def test_a_large_graph_and_large_values_lie_beside_the_commit(tmp_path):
    source = """
    @dynamic
    def f(n: int) -> int:
        return total(xs=[size(text="x" * 40_000), *[square(x=i) for i in range(n)]])
    """
    pod = DynamicPod(tmp_path, source)
    assert pod.run(inputs={"n": values.integer(1000)}) == 0, pod.output
    assert pod.commit.WhichOneof("graph") == "graph_offloaded"
    graph = pod.graph
    assert validate_closure(graph) == []
    assert graph.workflows[0].nodes[0].inputs[0].data.literal.WhichOneof("value") == "offloaded"


def test_a_graph_above_the_limit_says_its_size_and_what_to_do(tmp_path):
    source = """
    @dynamic
    def f(n: int) -> int:
        for i in range(n):
            size(text=f"{i}" + "x" * 30_000)
        return n
    """
    pod = DynamicPod(tmp_path, source)
    assert pod.run(inputs={"n": values.integer(150)}) == 1, pod.output
    assert (pod.failure.code, pod.failure.retryable) == ("GraphTooLarge", False)
    assert "at most 4,194,304 are allowed; use map_task for repeated work" in pod.failure.message


@pytest.mark.parametrize(
    ("body", "code", "says", "remedy"),
    [
        ("return square(x=str(n))", "ArgumentType", "square(): input 'x': expected int, got", ""),
        ("return square(y=n)", "UnknownArgument", "square() has no input 'y'", "x"),
        ("return square(x=n) + 1", "PromiseUsed", "flows.train.f asked for the result of +", ""),
    ],
)
def test_a_mistake_in_the_graph_is_the_one_that_a_run_here_tells(tmp_path, body, code, says, remedy):
    source = f"@dynamic\ndef f(n: int) -> int:\n    {body}\n"
    pod = DynamicPod(tmp_path, source)
    assert pod.run(inputs={"n": values.integer(1)}) == 1, pod.output
    failure = pod.failure
    line = (HEADER + source).split("\n").index(f"    {body}") + 1
    assert (failure.code, failure.retryable) == (code, False)
    assert failure.message.startswith(f"flows/train.py:{line}: {says}"), failure.message
    assert remedy in failure.remedy
    assert (failure.exception.frames[-1].file, failure.exception.frames[-1].line) == ("flows/train.py", line)
    assert failure.exception.frames[-1].source


def test_what_the_function_raises_is_its_author_s_exception(tmp_path):
    pod = DynamicPod(tmp_path, "@dynamic\ndef f(n: int) -> int:\n    return 1 // n\n")
    assert pod.run(inputs={"n": values.integer(0)}) == 1
    assert (pod.failure.code, pod.failure.exception.type) == ("UserException", "ZeroDivisionError")
    assert pod.failure.retryable


def test_the_contract_is_plain_text(tmp_path):
    environ = DynamicPod(tmp_path, FAN).environment.to_environ()
    assert environ["LIMOSA_POD_IMAGE"] == "team/base:2"
    assert base64.b64decode(environ["LIMOSA_POD_INPUTS"]) == b""
