"""What `limosa run` says about files, names and inputs before anything runs."""

import re

import pytest


def test_help_shows_the_typed_inputs(limosa, flow, golden):
    result = limosa("run", "flow.py", "everything", "--help")
    assert result.status == 0
    golden("help-typed-inputs", result.out)


def test_help_of_the_only_workflow_needs_no_name(limosa, flow):
    result = limosa("run", "flow.py", "--help")
    assert (result.status, result.out.splitlines()[0]) == (0, "Usage: limosa run flow.py [INPUTS]")
    assert "Trains once." in result.out


def test_help_of_a_file_with_several_workflows_lists_them(limosa, tmp_path):
    source = tmp_path / "two.py"
    source.write_text(
        "from limosa import workflow\n"
        '@workflow\ndef first() -> None:\n    "Does this."\n'
        '@workflow\ndef second() -> None:\n    "Does that."\n'
    )
    result = limosa("run", str(source), "--help")
    assert result.status == 0
    assert re.search(r"first +workflow +Does this\.\n +second +workflow +Does that\.", result.out)
    assert f"limosa run {source} NAME --help" in result.out


def test_a_launch_plan_has_no_option_for_what_it_fixes(limosa, flow):
    result = limosa("run", "flow.py", "nightly", "--help")
    assert result.status == 0
    assert "--rows" not in result.out


BROKEN = {
    "misspelt-name": """
from limosa import task, workflow

@task
def double(x: int) -> int:
    return 2 * x

@workflow
def flow() -> int:
    return duoble(x=1)
""",
    "wrong-type": """
from limosa import task, workflow

@task
def a() -> str:
    return "x"

@task
def b(n: int) -> int:
    return n

@workflow
def flow() -> int:
    return b(n=a())
""",
    "missing-argument": """
from limosa import task, workflow

@task
def b(rows: int, rate: float) -> int:
    return rows

@workflow
def flow() -> int:
    return b(rows=1)
""",
    "unsupported-type": """
from limosa import task, workflow

@task
def b(pair: tuple[int, int]) -> int:
    return 1
""",
    "memory-without-unit": """
from limosa import Resources, task

@task(resources=Resources(mem=1024))
def b() -> int:
    return 1
""",
    "import-error": """
import not_a_module_of_anyone

from limosa import task
""",
    "syntax-error": """
from limosa import task
def broken(:
""",
    "exception": """
from limosa import task

RATES = {}

def rate():
    return RATES["default"]

DEFAULT = rate()
""",
    "nothing-to-run": "x = 1\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_compile_errors(limosa, place, golden, name):
    (place / "broken.py").write_text(BROKEN[name])
    result = limosa("run", "--remote", "--endpoint", "http://127.0.0.1:1", "broken.py")
    assert (result.status, result.out) == (2, "")
    golden(f"compile-{name}", result.err.replace(str(place), "/project"))


def test_wrong_input(limosa, flow, golden):
    result = limosa("run", "flow.py", "train", "--rows", "many")
    assert (result.status, result.out) == (2, "")
    golden("wrong-input", result.err)


def test_missing_inputs(limosa, flow, golden):
    result = limosa("run", "flow.py", "everything", "--color", "red")
    assert result.status == 2
    golden("missing-inputs", result.err)


def test_admin_down(limosa, flow, golden, monkeypatch):
    monkeypatch.setattr("limosa.remote.connection.RETRY_PAUSES_S", ())
    result = limosa("run", "--remote", "--endpoint", "http://127.0.0.1:1", "flow.py", "flow")
    assert (result.status, result.out) == (6, "")
    golden("admin-down", result.err)


def test_an_unknown_name_suggests_the_nearest(limosa, flow):
    result = limosa("run", "flow.py", "trian")
    assert result.status == 2
    assert "there is no task, workflow or launch plan 'trian' in it" in result.err
    assert "did you mean 'train'?" in result.err


def test_an_unknown_file(limosa, flow):
    result = limosa("run", "flw.py")
    assert result.status == 2
    assert "there is no file flw.py" in result.err
    assert "did you mean flow.py?" in result.err


def test_several_workflows_want_a_name(limosa, flow):
    flow.write_text(flow.read_text() + "\n\n@workflow\ndef other() -> float:\n    return train(rows=1)\n")
    result = limosa("run", "flow.py")
    assert result.status == 2
    assert "there are several workflows in it: flow, other" in result.err


@pytest.mark.parametrize("name", ["counted", "lines", "flow.lines"])
def test_a_task_is_named_by_its_variable_or_as_the_tree_names_it(limosa, flow, name):
    script = "ShellTask('lines', 'echo 3 > {{ .outputs.n }}', outputs={'n': int})"
    flow.write_text(f"from limosa import ShellTask\ncounted = {script}\n")
    assert limosa("run", "flow.py", name).out == "n: 3\n"


def test_options_that_need_remote(limosa, flow):
    for arguments in (["--detach"], ["--timeout", "3"], ["--name", "x"]):
        result = limosa("run", *arguments, "flow.py")
        assert (result.status, "need --remote" in result.err) == (2, True)


def test_a_bad_run_name(limosa, flow):
    result = limosa("run", "--remote", "--name", "Bad_Name", "flow.py")
    assert result.status == 2
    assert "is not a run name" in result.err


def test_a_bundle_too_large_names_the_largest_files(limosa, flow):
    (flow.parent / "big.bin").write_bytes(b"x" * 3_000_000)
    (flow.parent / "limosa.toml").write_text('include = ["*.bin"]\nbundle_max_size = "1Mi"\n')
    result = limosa("run", "--remote", "--endpoint", "http://127.0.0.1:1", "flow.py", "flow")
    assert result.status == 2
    assert "big.bin" in result.err
    assert "3.0 MB" in result.err


def test_a_local_run_writes_results_only_to_standard_output(limosa, flow):
    flow.write_text(
        flow.read_text().replace("    return rows * ", "    print('from the task')\n    return rows * ")
    )
    result = limosa("run", "flow.py", "--rows", "4")
    assert (result.status, result.out) == (0, "0.4\n")
    assert "from the task" in result.err
    assert "✓ n0 train" in result.err


def test_a_local_failure_shows_the_line_and_exits_1(limosa, flow, golden):
    flow.write_text(flow.read_text().replace("return rows * learning_rate", "return rows / 0"))
    result = limosa("run", "flow.py")
    assert (result.status, result.out) == (1, "")
    told = re.sub(r"[a-z]+-[a-z]+-[0-9a-f]{4}", "calm-heron-4f2a", result.err)
    golden("local-failure", re.sub(r"\d+\.\d s", "0.0 s", told))


@pytest.mark.parametrize(
    ("form", "text"), [("json", '{\n  "o0": 0.2\n}\n'), ("yaml", "o0: 0.2\n"), ("text", "0.2\n")]
)
def test_forms_of_the_result(limosa, flow, form, text):
    assert limosa("run", "-o", form, "flow.py").out == text


def test_a_module_in_place_of_a_file(limosa, flow):
    result = limosa("run", "-m", "flow", "train", "--rows", "10", "--learning_rate", "0.5")
    assert (result.status, result.out) == (0, "5.0\n")


def test_a_launch_plan_runs_with_what_it_fixes(limosa, flow):
    assert limosa("run", "flow.py", "nightly").out == "0.5\n"


def test_local_runs_are_kept_below_the_source_root(limosa, flow, monkeypatch):
    (flow.parent / "deep").mkdir()
    monkeypatch.chdir(flow.parent / "deep")
    assert limosa("run", "../flow.py").status == 0
    assert (flow.parent / ".limosa" / "runs").is_dir()


BRANCH = """
from limosa import conditional, task, workflow


@task
def same(x: int) -> int:
    return x


@workflow
def choose(x: int) -> int:
    return conditional("sign").if_(x > 0).then(same(x=x)).else_().fail("x is not positive")
"""


def test_a_branch_that_fails_is_a_failure_of_the_run(limosa, place):
    (place / "branch.py").write_text(BRANCH)
    result = limosa("run", "branch.py", "choose", "--x", "0")
    assert result.status == 1
    assert "x is not positive" in result.err


def test_the_inputs_file_stands_among_our_options_or_the_inputs(limosa, flow):
    (flow.parent / "in.json").write_text('{"rows": 30}')
    given = ["--inputs-file", "in.json"]
    assert (
        limosa("run", *given, "flow.py", "train").out
        == limosa("run", "flow.py", "train", *given).out
        == "3.0\n"
    )
    twice = limosa("run", *given, "flow.py", "train", *given)
    assert twice.status == 2
    assert "--inputs-file is given twice" in twice.err


@pytest.mark.parametrize("seconds", ["-5", "0", "nan", "inf", "soon"])
@pytest.mark.parametrize("words", [["run", "--remote"], ["launch"], ["watch"]])
def test_a_timeout_is_above_zero(limosa, flow, words, seconds):
    result = limosa(*words, "--timeout", seconds, "flow.py")
    assert result.status == 2
    assert f"'{seconds}' is not a number of seconds above 0" in " ".join(result.err.split())
