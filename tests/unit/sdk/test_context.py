"""current_context() and checkpoints, on this machine."""

import pytest

from limosa import LimosaError, Retry, current_context, map_task, task, workflow
from limosa.local import run


@task(retries=2)
def careful(x: int) -> str:
    """Each attempt counts on from what the one before kept; the third one ends."""
    context = current_context()
    done = int(context.checkpoint.read() or b"0") + x
    context.checkpoint.write(b"%d" % done)
    if context.attempt < 3:
        raise ValueError(f"attempt {context.attempt}")
    return (
        f"{context.node} {context.index} {context.attempt} {done} {list(context.working_directory.iterdir())}"
    )


@task(retries=3)
def forgetful() -> str:
    """The second attempt keeps nothing, the third finds what the first kept."""
    context = current_context()
    if context.attempt == 1:
        context.checkpoint.write(b"first")
    if context.attempt < 3:
        raise ValueError
    return (context.checkpoint.read() or b"nothing").decode()


@task(retries=Retry(1, memory=["2Gi"]))
def filed() -> str:
    context = current_context()
    kept = context.working_directory / "kept"
    found = context.checkpoint.restore(kept)
    if found is not None:
        return found.read_text()
    kept.write_text("a file")
    context.checkpoint.save(kept)
    raise ValueError


@workflow
def several(xs: list[int]) -> list[str]:
    return map_task(careful)(x=xs)


def test_an_attempt_goes_on_from_the_one_before():
    assert careful(x=5) == "n0 None 3 15 []"


def test_items_of_a_map_have_checkpoints_of_their_own():
    assert several(xs=[1, 2]) == ["n0 0 3 3 []", "n0 1 3 6 []"]


def test_an_attempt_that_kept_nothing_is_passed_over():
    assert forgetful() == "first"


def test_files_are_kept_and_restored():
    assert filed() == "a file"


def test_outside_of_a_task_there_is_no_context():
    with pytest.raises(LimosaError, match="there is no task running here"):
        current_context()


def test_the_checkpoint_of_a_local_run_lies_in_the_store_s_layout(tmp_path):
    done = run(careful, {"x": 1}, tmp_path)
    kept = sorted(path.read_bytes() for path in done.directory.glob("launches/*/checkpoint/data"))
    assert kept == [b"1", b"2", b"3"]
