"""What admission says of a task's caching."""

import pytest

from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.task.v1alpha1.task_pb2 import CachePolicy, PythonTask, TaskSpec
from limosa_model.admission import validate_closure, validate_task
from limosa_model.graph import wrap_task

INTEGER = LiteralType(simple=SIMPLE_TYPE_INTEGER)


def the_task(kind: str = "python", **cache: object) -> TaskSpec:
    task = TaskSpec(name="flow.t", cache=CachePolicy(**cache), **{kind: PythonTask(loader="flow:t")})
    task.interface.inputs.append(Variable(name="x", type=INTEGER))
    return task


@pytest.mark.parametrize(
    ("task", "code", "text"),
    [
        (the_task(enabled=True), "CacheVersion", "it is cached without a version"),
        (the_task(enabled=True, version="1", ignored_inputs=["y"]), "CacheInput", "ignores input 'y'"),
        (
            the_task("dynamic", enabled=True, version="1"),
            "CacheTarget",
            "the result of dynamic code is a graph",
        ),
    ],
)
def test_each_fault_is_named(task: TaskSpec, code: str, text: str) -> None:
    (problem,) = validate_task(task)
    assert problem.code == code
    assert text in problem.message
    assert problem.remedy


@pytest.mark.parametrize(
    "task", [the_task(), the_task(enabled=True, version="1", ignored_inputs=["x"], serialize=True)]
)
def test_what_is_right_has_none(task: TaskSpec) -> None:
    assert validate_task(task) == []


def test_a_nodes_own_cache_is_checked_too() -> None:
    closure = wrap_task(the_task())
    node = closure.workflows[0].nodes[0]
    node.overrides.cache.enabled = True
    (problem,) = validate_closure(closure)
    assert problem.code == "CacheVersion"
