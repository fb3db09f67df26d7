"""What stands before what: checks before those that rely on them, and orderings that cannot be."""

import re

import pytest

from limosa import LimosaError, check, task, workflow


def test_nodes_that_wait_for_each_other_are_told_before_any_runs():
    ran = []

    @task
    def note(x: int) -> int:
        ran.append(x)
        return x

    @workflow
    def around(x: int) -> int:
        first = note(x=x)
        second = note(x=first)
        second >> first
        return second

    with pytest.raises(LimosaError, match=r"n0 \(note\) → n1 \(note\) → n0 \(note\)"):
        around(x=1)
    assert ran == []


def test_a_check_stands_before_what_relies_on_it():
    ran = []

    @task
    def count(x: int) -> int:
        return x

    @task
    def train(x: int) -> int:
        ran.append(x)
        return x

    @workflow
    def guarded(x: int) -> int:
        rows = count(x=x)
        trained = train(x=rows)
        check((rows > 10) & ~(rows == 13), "too few rows") >> trained
        return trained

    assert guarded(x=11) == 11
    for value in (10, 13):
        with pytest.raises(LimosaError) as caught:
            guarded(x=value)
        assert (caught.value.code, ran) == ("CheckFailed", [11])
    # As the platform words it: tests/unit/engine/stories/checking.yaml.
    assert re.fullmatch(r"too few rows \(the check at .*test_ordering\.py:\d+\)", caught.value.located)
