"""How a run of this machine that failed is told: at its end, and when it is read again."""

import json
import re

import pytest

from limosa.render import steps

FLOW = """
from limosa import ShellTask, check, conditional, map_task, task, workflow

says = ShellTask("says", "printf 'on its way'; echo; echo odd >&2")
breaks = ShellTask("breaks", "echo so far; exit 4")


@task
def score(x: int) -> int:
    if x == 2:
        raise ValueError("no 2")
    return x


@task
def later(n: int) -> int:
    print("looking")
    raise KeyError("the real one")


@task
def half(n: int) -> int:
    return n // 2


@workflow
def tolerant(xs: list[int] = [1, 2, 3, 4]) -> int:
    map_task(score, min_successes=3)(x=xs)
    return later(n=7)


@workflow
def strict(xs: list[int] = [1, 2, 3, 4]) -> list[int]:
    return map_task(score)(x=xs)


@workflow
def checked(n: int = 3) -> int:
    rows = half(n=n)
    check((rows > n) | (n > 10), "too few rows")
    return rows


@workflow
def scripts() -> None:
    says()


@workflow
def broken_script() -> None:
    breaks()


@workflow
def halves(n: int = 3) -> int:
    return conditional("parity").if_(n == 2).then(half(n=n)).else_().fail("n is odd")


@workflow
def tolerant_halves(xs: list[int] = [1, 2]) -> int:
    map_task(score, min_successes=1)(x=xs)
    return halves(n=5)
"""


@pytest.fixture
def fails(limosa, place):
    """Runs a workflow that fails; gives the run's name and what was told."""
    (place / "flow.py").write_text(FLOW)

    def call(entity):
        result = limosa("run", "flow.py", entity)
        assert result.status == 1, result.err
        return re.search(r"^run (\S+)", result.err, re.MULTILINE).group(1), result.err

    return call


def test_an_item_that_was_allowed_to_fail_is_not_why_the_run_failed(fails, limosa):
    name, told = fails("tolerant")
    assert "KeyError: 'the real one'\n  in flow.later, node n1\n" in told
    assert "ValueError" not in told
    assert f"limosa logs {name} n1\n" in told
    facts = json.loads(limosa("get", "run", name, "-o", "json").out)
    assert (facts["failure"]["node"], facts["failure"]["message"]) == ("n1", "KeyError: 'the real one'")
    shown = limosa("get", "run", name).out
    assert "KeyError: 'the real one'" in shown
    assert "ValueError" not in shown
    assert "the real one" in limosa("explain", name).out


def test_the_end_shows_tree_inputs_and_log(fails):
    _, told = fails("tolerant")
    screen = re.sub(r" +\d+\.\d s", " 0.0 s", told[told.index("✗ n1 later") :])
    lines = [line.rstrip() for line in screen.splitlines()]
    assert re.fullmatch(r"✗ \S+ failed after 0.0 s", lines[1])
    assert lines[2:4] == ["  ✓ n0 score 0.0 s  3/4 items, 1 failed", "  ✗ n1 later 0.0 s"]
    assert screen.count("Inputs of the node\n  n  7\n") == 1
    assert screen.count("Last log lines\n  looking\n") == 1


def test_a_map_that_bears_failures_says_how_many(fails):
    _, told = fails("tolerant")
    assert re.search(r"^  ✓ n0 score  \d\.\d s  3/4 items, 1 failed$", told, re.MULTILINE)


def test_a_map_says_how_far_it_is(limosa, place, monkeypatch):
    monkeypatch.setattr(steps, "LEAST_S", 0.0)
    (place / "flow.py").write_text(FLOW)
    told = limosa("run", "flow.py", "strict", "--xs", json.dumps(list(range(3, 23)))).err
    lines = [f"  ● n0 score  {done}/20 items" for done in range(2, 20, 2)]
    assert [line for line in told.splitlines() if line.startswith("  ●")] == lines


def test_a_map_that_fails_says_how_many_there_are(fails, limosa):
    name, told = fails("strict")
    assert re.search(r"^  ✗ n0 score  \d\.\d s  1/4 items, 1 failed$", told, re.MULTILINE)
    assert "1/4 items, 1 failed" in limosa("get", "run", name).out


def test_logs_end_with_the_traceback_as_a_pod_s_do(fails, limosa):
    name, _ = fails("tolerant")
    lines = limosa("logs", name).out.splitlines()
    assert lines[0] == "n0[1] │ Traceback (most recent call last):"
    assert "n0[1] │ ValueError: no 2" in lines
    own = limosa("logs", name, "n1").out.splitlines()
    assert (own[0], own[1], own[-1]) == (
        "looking",
        "Traceback (most recent call last):",
        "KeyError: 'the real one'",
    )
    assert "Last log lines" not in limosa("get", "run", name, "n0", "--index", "1").out


def test_a_script_s_output_is_its_log(fails, limosa):
    name = re.search(r"^run (\S+)", limosa("run", "flow.py", "scripts").err, re.MULTILINE).group(1)
    assert sorted(limosa("logs", name, "n0").out.splitlines()) == ["odd", "on its way"]
    _, told = fails("broken_script")
    assert "the script ended with exit status 4" in told
    assert "Last log lines\n  so far\n" in told


def test_a_conditional_that_fails_is_named_with_its_line(fails, limosa):
    name, told = fails("halves")
    line = next(number for number, text in enumerate(FLOW.splitlines(), 1) if '("parity")' in text)
    assert f"BranchFailed: conditional 'parity' (flow.py:{line}): n is odd\n  node n1\n" in told
    assert "Inputs of the node\n  n  3\n" in told
    assert f"limosa inputs {name} n1\n" in told
    assert limosa("inputs", name, "n1").out == "n: 3\n"


def test_a_check_that_fails_says_what_its_operands_are(fails):
    _, told = fails("checked")
    assert re.search(r"CheckFailed: too few rows \(the check at flow.py:\d+\)\n  node n1\n", told)
    assert "Inputs of the node\n  n        3\n  n0 half  1\n" in told


def test_a_graph_that_cannot_go_on_is_why_whatever_failed_before(fails, limosa):
    name, told = fails("tolerant_halves")
    assert "BranchFailed: conditional 'parity'" in told
    assert "ValueError" not in told
    facts = json.loads(limosa("get", "run", name, "-o", "json").out)
    assert (facts["failure"]["node"], facts["failure"]["code"]) == ("n1/n1", "BranchFailed")


GATES = """
from limosa import LaunchPlan, approve, conditional, dynamic, task, wait_for_input, workflow


@task
def same(n: int) -> int:
    return n


@workflow
def shipped(n: int = 1) -> int:
    return approve(same(n=n), name="ship")


plan = LaunchPlan(shipped, name="plan")


@workflow
def flow(n: int = 1) -> float:
    conditional("size").if_(n > 1).then(shipped(n=n)).else_().then(plan(n=n))
    return wait_for_input("rate", float)


@dynamic
def made(n: int) -> int:
    return approve(same(n=n), name="later")


@workflow
def maker(n: int = 1) -> int:
    return made(n=n)
"""


@pytest.mark.parametrize(
    ("entity", "answer", "told"),
    [
        ("flow", "shp=yes", "there is no gate 'shp'; gates are ship, rate"),
        ("flow", "shp=yes", "did you mean 'ship'?"),
        ("same", "ship=yes", "there is no gate 'ship'; there is none"),
        ("flow", "ship=maybe", "gate n2/n0/n1 ('ship'): expected yes or no, got 'maybe'"),
        ("flow", "ship=maybe", "→ answer yes or no"),
        ("flow", "rate=x", "gate n3 ('rate'): expected float, got str 'x'"),
        ("flow", "n3=x", "→ answer with a value of type float"),
    ],
)
def test_an_answer_that_no_gate_takes_stops_the_run_before_it_begins(limosa, place, entity, answer, told):
    (place / "flow.py").write_text(GATES)
    words = ["--n", "1"] if entity == "same" else []
    result = limosa("run", "--answer", answer, "flow.py", entity, *words)
    assert (result.status, told in result.err) == (2, True), result.err
    assert "kept in" not in result.err


def test_answers_of_gates_that_are_known_later_wait_for_them(limosa, place):
    (place / "flow.py").write_text(GATES)
    assert limosa("run", "--answer", "later=yes", "flow.py", "maker").out == "1\n"
    both = limosa("run", "--answer", "ship=yes", "--answer", "rate=0.5", "flow.py", "flow")
    assert both.out == "0.5\n"


def test_a_gate_without_an_answer_says_how_to_give_it(limosa, place):
    (place / "flow.py").write_text(GATES)
    told = limosa("run", "flow.py", "shipped").err
    assert "GateUnanswered: flow.py:12: gate n1 ('ship') waits for an answer" in told
    assert "→ answer in advance: limosa run --answer ship=yes" in told
    assert "--answer rate=<float>" in limosa("run", "--answer", "ship=yes", "flow.py", "flow").err
