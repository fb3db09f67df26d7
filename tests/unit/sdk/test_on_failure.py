"""@workflow(on_failure=…): the node it makes, what it refuses, and runs on this machine."""

import pytest

from limosa import WorkflowError, task, workflow
from limosa.compiler import compile_entity
from limosa.errors import LimosaError

SEEN: list[object] = []


@task
def fails(x: int) -> int:
    raise ValueError(f"no {x}")


@task
def fine(x: int) -> int:
    return x


@task
def tell(x: int, error: WorkflowError, note: str = "n") -> None:
    SEEN.append((x, error, note))


@task
def breaks() -> None:
    raise RuntimeError("second")


@workflow
def tidy(x: int, why: WorkflowError | None) -> None:
    tell(x=fine(x=x), error=WorkflowError("a", "b", "c", "d"))


@workflow(on_failure=tell)
def told(x: int) -> int:
    return fails(x=fine(x=x))


@workflow(on_failure=tell)
def outer(x: int) -> int:
    return inner(x=x)


@workflow(on_failure=tidy)
def inner(x: int) -> int:
    return fails(x=x)


@pytest.fixture(autouse=True)
def seen() -> None:
    SEEN.clear()


def test_the_handler_is_a_node_with_inputs_of_the_workflow_and_the_failure() -> None:
    closure = compile_entity(told).closure
    node = closure.workflows[0].on_failure
    assert (node.id, node.task.task.rpartition(".")[2]) == ("on-failure", "tell")
    bound = {binding.name: binding.data for binding in node.inputs}
    assert bound["x"].input.name == "x"
    assert bound["error"].HasField("failure")
    assert "note" not in bound
    assert {t.name.rpartition(".")[2] for t in closure.tasks} == {"tell", "fails", "fine"}


def test_it_runs_here_after_a_failure_and_never_else() -> None:
    with pytest.raises(ValueError, match="no 3"):
        told(x=3)
    ((x, error, note),) = SEEN
    assert (x, note) == (3, "n")
    assert error == WorkflowError("n1", "UserException", "USER", "ValueError: no 3")


def test_a_sub_workflow_tidies_up_before_the_one_around_it() -> None:
    with pytest.raises(ValueError, match="no 1"):
        outer(x=1)
    assert [error.node for _, error, _ in SEEN] == ["a", "n0/n0"]


def test_its_own_failure_stands_beside_the_first() -> None:
    @workflow(on_failure=breaks)
    def both(x: int) -> int:
        return fails(x=x)

    with pytest.raises(ValueError, match="no 2") as failed:
        both(x=2)
    assert any("breaks, which runs on failure, failed too" in note for note in failed.value.__notes__)


def test_a_workflow_and_overrides_may_handle() -> None:
    @workflow(on_failure=tell.with_overrides(retries=2))
    def retried(x: int) -> int:
        return fails(x=x)

    assert retried.spec.on_failure.overrides.retry.retries == 2
    closure = compile_entity(inner).closure
    handler = next(w for w in closure.workflows if w.name.endswith("inner")).on_failure
    assert handler.sub_workflow.workflow.endswith("tidy")
    assert [binding.data.WhichOneof("value") for binding in handler.inputs] == ["input", "failure"]


@task
def wants(y: int) -> None: ...


@task
def other_type(x: str) -> None: ...


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (wants, "on_failure=wants needs an input 'y', which wrong does not have"),
        (other_type, "on_failure=other_type: input 'x': expected str, got int"),
    ],
)
def test_a_handler_that_wants_what_there_is_not_is_refused(handler, message) -> None:
    @workflow(on_failure=handler)
    def wrong(x: int) -> int:
        return fine(x=x)

    with pytest.raises(LimosaError) as refused:
        compile_entity(wrong)
    assert message in str(refused.value)


def test_what_is_neither_task_nor_workflow_is_refused() -> None:
    with pytest.raises(LimosaError, match="is neither a task nor a workflow"):
        workflow(on_failure=print)  # type: ignore[call-overload]
