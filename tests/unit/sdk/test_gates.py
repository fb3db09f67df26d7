"""Gates in a workflow: the graph they make, what they refuse, and runs on this machine."""

import dataclasses
import datetime as dt
import enum
import time

import pytest

import limosa
from limosa import approve, conditional, eager, sleep, task, wait_for_input, workflow
from limosa.compiler import compile_entity
from limosa.errors import LimosaError
from limosa.local import answers as local_answers
from limosa.testing import answers


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Plan:
    rate: float
    name: str = "x"


@task
def double(x: int) -> int:
    return 2 * x


@task
def show(plan: Plan, colour: Colour) -> str:
    return f"{plan.name} {plan.rate} {colour.value}"


@workflow
def release(x: int) -> int:
    made = double(x=x)
    return double(x=approve(made, name="ship", prompt="ship it?", timeout="2h"))


@workflow
def asked() -> str:
    return show(plan=wait_for_input("plan", Plan), colour=wait_for_input("colour", Colour))


@workflow
def napping(x: int) -> int:
    first = double(x=x)
    nap = sleep("1h", name="nap")
    last = double(x=x)
    limosa.chain(first, nap, last)
    return last


def test_gates_are_nodes_that_say_what_they_wait_for() -> None:
    closure = compile_entity(release).closure
    gate = closure.workflows[0].nodes[1]
    assert (gate.display_name, gate.gate.prompt, gate.gate.timeout.seconds) == ("ship", "ship it?", 7200)
    assert gate.inputs[0].data.output.node == "n0"
    assert gate.gate.approval.type == closure.tasks[0].interface.outputs[0].type
    plan, colour, _ = compile_entity(asked).closure.workflows[0].nodes
    assert plan.gate.wait_for_input.type.record.fields[0].name == "rate"
    assert list(colour.gate.wait_for_input.type.enum_type.values) == ["red", "blue"]
    nodes = compile_entity(napping).closure.workflows[0].nodes
    assert nodes[1].gate.sleep.duration.seconds == 3600
    assert list(nodes[1].upstream) == ["n0"]
    assert list(nodes[2].upstream) == ["n1"]


def test_answers_in_advance_let_a_run_here_pass() -> None:
    with answers(ship=True):
        assert release(x=3) == 12
    with answers(plan=Plan(0.5), colour=Colour.BLUE):
        assert asked() == "x 0.5 blue"
    with answers({"n0": {"rate": 2, "name": "y"}}, colour="red"):
        assert asked() == "y 2.0 red"
    with answers(nap=True):
        assert napping(x=1) == 2


@eager
async def releasing(x: int) -> int:
    return await release(x=x)


def test_an_answer_for_a_gate_that_an_eager_task_may_reach_is_no_mistake() -> None:
    local_answers.check_answers(releasing, {"ship": "yes"})
    with answers(ship="yes"):
        assert releasing.run_function({"x": 3}) == 12
    with pytest.raises(LimosaError, match="there is no gate 'ship'; there is none"):
        local_answers.check_answers(double, {"ship": "yes"})


def test_a_rejected_gate_fails_the_run_here() -> None:
    with answers(ship="no"), pytest.raises(LimosaError, match="was rejected") as failed:
        release(x=3)
    assert failed.value.code == "Rejected"


def test_an_answer_of_another_type_is_refused() -> None:
    with answers(plan=3, colour="red"), pytest.raises(LimosaError, match=r"gate n0 \('plan'\)"):
        asked()
    with answers(ship=3), pytest.raises(LimosaError, match="answer True or False"):
        release(x=1)


def test_without_a_terminal_an_unanswered_gate_says_how_to_answer() -> None:
    with pytest.raises(LimosaError) as failed:
        release(x=3)
    assert failed.value.code == "GateUnanswered"
    assert "limosa run --answer ship=" in failed.value.remedy


def test_on_a_terminal_a_gate_asks(monkeypatch, capsys) -> None:
    lines = iter(["perhaps\n", "yes\n"])
    terminal = type("Terminal", (), {"isatty": lambda _: True, "readline": lambda _: next(lines)})
    monkeypatch.setattr(local_answers.sys, "stdin", terminal())
    assert release(x=1) == 4
    assert capsys.readouterr().err.count("n1 (ship): ship it? approve? [y/N]") == 2


def test_a_sleep_here_sleeps(monkeypatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert napping(x=2) == 4
    assert slept == [3600.0]


def test_gates_stand_in_branches() -> None:
    @workflow
    def careful(x: int) -> int:
        made = double(x=x)
        return conditional("large").if_(made > 10).then(approve(made, name="ok")).else_().then(double(x=made))

    assert careful(x=2) == 8
    with answers(ok=True):
        assert careful(x=6) == 12


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: approve(5), "approve() got 5 to pass on"),
        (lambda: approve(name=" "), "got the name ' '"),
        (lambda: sleep(0), "is not above zero"),
        (lambda: sleep(None), "sleep() got no duration"),  # type: ignore[arg-type]
        (lambda: wait_for_input("x", object), "wait_for_input('x')"),
        (lambda: approve(timeout=dt.timedelta(days=9999)), "give 0 s to 10 years"),
    ],
)
def test_mistakes_are_refused_where_they_stand(make, message) -> None:
    @workflow
    def wrong() -> None:
        make()

    with pytest.raises(LimosaError) as refused:
        compile_entity(wrong)
    assert message in str(refused.value)


def test_a_gate_outside_of_a_workflow_is_refused() -> None:
    with pytest.raises(LimosaError, match="outside of a workflow's function"):
        approve()
