"""Stand-ins for tasks."""

import subprocess
import sys

import pytest

from limosa import LimosaError, map_task, task, workflow
from limosa.testing import patch


@task
def load(rows: int, seed: int = 7) -> float:
    raise RuntimeError("the real one must not run")


@task
def judge(score: float) -> str:
    return "good" if score > 0.5 else "bad"


@workflow
def pipeline(rows: int) -> str:
    return judge(score=load(rows=rows))


@workflow
def fan_out(rows: list[int]) -> list[float]:
    return map_task(load)(rows=rows, seed=1)


def test_a_stand_in_gives_values_and_counts_calls():
    with patch(load) as stand_in:
        stand_in.returns(0.9)
        assert pipeline(rows=10) == "good"
        stand_in.returns(0.1)
        assert pipeline(rows=11) == "bad"
    assert stand_in.calls == [{"rows": 10, "seed": 7}, {"rows": 11, "seed": 7}]
    with pytest.raises(RuntimeError, match="the real one"):
        pipeline(rows=1)


def test_values_in_turn_exceptions_and_functions():
    with patch(load) as stand_in:
        stand_in.returns_in_turn(0.1, 0.2)
        assert fan_out(rows=[1, 2]) == [0.1, 0.2]
        with pytest.raises(LimosaError, match="was given 2 values and called once more"):
            load(rows=3)
        stand_in.calls_instead(lambda rows, seed: rows + seed / 10)
        assert fan_out(rows=[1, 2]) == [1.1, 2.1]
        stand_in.raises(TimeoutError("slow"))
        with pytest.raises(TimeoutError, match="slow"):
            pipeline(rows=1)


def test_the_result_is_checked_as_the_task_s_own():
    with patch(load) as stand_in:
        stand_in.returns("0.9")
        with pytest.raises(
            LimosaError, match="the result of what stands in for it: expected float, got"
        ) as refused:
            pipeline(rows=1)
    assert refused.value.place == "limosa.testing.patch(load)"
    assert refused.value.remedy == "give it a value of type float"


def test_says_what_is_missing():
    with patch(load), pytest.raises(LimosaError, match="does not say what the task gives"):
        pipeline(rows=1)
    with pytest.raises(LimosaError, match="patch takes a task, not Workflow"), patch(pipeline):
        pass


def test_stand_ins_nest_and_reach_overridden_tasks():
    with patch(load) as outer:
        outer.returns(0.1)
        with patch(load.with_overrides(retries=3)) as inner:
            inner.returns(0.9)
            assert pipeline(rows=1) == "good"
        assert pipeline(rows=1) == "bad"


def test_the_plugin_imports_nothing_until_it_is_used():
    program = (
        "import sys, pytest; import limosa.testing.plugin; "
        "print([name for name in sys.modules if name.startswith(('google.protobuf', 'grpc', 'limosa.cli', 'limosa_'))])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
