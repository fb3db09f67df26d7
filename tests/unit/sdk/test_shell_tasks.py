"""Scripts as tasks, on this machine."""

from pathlib import Path

import pytest

from limosa import Directory, File, LimosaError, Retry, ShellTask, current_context, map_task, task, workflow
from limosa.compiler import compile_entity
from limosa.errors import ScriptFailed
from limosa.local import run

greet = ShellTask(
    "greet",
    script="""
        echo "to stderr" >&2
        printf 'hello %s' {{ .inputs.name }} > {{ .outputs.text }}
    """,
    inputs={"name": str},
    outputs={"text": str},
)

everything = ShellTask(
    "everything",
    script="""
        wc -l < {{ .inputs.source }} > {{ .outputs.lines }}
        ls {{ .inputs.folder }} > {{ .outputs.listing }}
        mkdir {{ .outputs.made }}; echo {{ .inputs.numbers }} > {{ .outputs.made }}/numbers
        echo {{ .inputs.flag }} > {{ .outputs.flag }}
        echo "$LIMOSA_INPUT_rate" > {{ .outputs.rate }}
        ls -A > /dev/null
    """,
    inputs={"source": File, "folder": Directory, "numbers": list[int], "flag": bool, "rate": float},
    outputs={"lines": int, "listing": File, "made": Directory, "flag": bool, "rate": float},
)

flaky = ShellTask("flaky", "exit 3", retries=Retry(2))
silent = ShellTask("silent", "true", outputs={"text": str})
wrong = ShellTask("wrong", "echo many > {{ .outputs.count }}", outputs={"count": int})
piped = ShellTask("piped", "false | cat > {{ .outputs.text }}", outputs={"text": str})
told = ShellTask("told", "for i in $(seq 30); do echo line $i >&2; done; exit 7")


@task
def length(text: str) -> int:
    return len(text)


@workflow
def greeted(names: list[str]) -> int:
    first = greet(name="Ada")
    return length(text=first)


@workflow
def all_greeted(names: list[str]) -> list[str]:
    return map_task(greet)(name=names)


def test_a_script_is_called_like_a_function():
    assert greet(name="Ada") == "hello Ada"
    assert greeted(names=[]) == len("hello Ada")
    assert all_greeted(names=["a", "b c"]) == ["hello a", "hello b c"]


@pytest.mark.parametrize(
    "value", ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "', "a\nb", "*", ""]
)
def test_no_value_becomes_a_command(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert greet(name=value) == f"hello {value}"
    assert list(tmp_path.iterdir()) == []


def test_files_directories_lists_and_numbers(tmp_path):
    (tmp_path / "in.txt").write_text("1\n2\n3\n")
    made = everything(
        source=File(tmp_path / "in.txt"), folder=Directory(tmp_path), numbers=[1, 2], flag=True, rate=0.5
    )
    assert (made.lines, made.flag, made.rate) == (3, True, 0.5)
    assert made.listing.open().read() == "in.txt\n"
    assert (Path(made.made.path) / "numbers").read_text() == "[1, 2]\n"


def test_a_status_is_a_failure_with_the_last_lines(tmp_path):
    with pytest.raises(ScriptFailed) as failed:
        told()
    message = str(failed.value)
    assert message.startswith("told: the script ended with exit status 7:\nline 11\n")
    assert message.endswith("line 30")


def test_it_is_tried_again(tmp_path):
    attempts = []
    with pytest.raises(ScriptFailed, match="exit status 3"):
        run(flaky, {}, tmp_path, lambda progress: attempts.append(progress.attempt))
    assert max(attempts) == 3


def test_outputs_that_are_missing_or_no_value():
    with pytest.raises(ScriptFailed, match=r"silent: output 'text' is missing: the script wrote nothing to"):
        silent()
    with pytest.raises(ScriptFailed, match="wrong: output 'count' is 'many', which is no int"):
        wrong()
    with pytest.raises(ScriptFailed, match="exit status 1"):
        piped()


def test_the_spec_is_a_python_task_s():
    spec = compile_entity(greet).closure.tasks[0]
    assert spec.python.loader.endswith(":greet")
    assert [v.name for v in spec.interface.inputs] == ["name"]
    assert [v.name for v in spec.interface.outputs] == ["text"]
    assert spec.source.file.endswith("test_shell_tasks.py")
    assert Path(__file__).read_text().splitlines()[spec.source.line - 1].startswith("greet = ShellTask(")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "x y", "script": ""}, "the name 'x y' is no Python name"),
        ({"name": "t", "script": "", "inputs": {"class": str}}, "the input 'class' is no Python name"),
        ({"name": "t", "script": "", "inputs": {"a": set}}, "input 'a' is set"),
        ({"name": "t", "script": "", "outputs": {"a": list[int]}}, "output 'a' is list"),
        ({"name": "t", "script": "{{ .inputs.b }}", "inputs": {"a": str}}, "there is no input 'b'"),
        ({"name": "t", "script": "{{ .outputs.b }}"}, "there is no output 'b'"),
        ({"name": "t", "script": "{{ .secrets.b }}"}, "stands for nothing"),
        ({"name": "t", "script": "", "retrys": 3}, "@task has no option 'retrys'"),
    ],
)
def test_mistakes_are_told(arguments, message):
    with pytest.raises(LimosaError, match=message):
        ShellTask(**arguments)


def test_there_is_no_context_left_behind():
    greet(name="x")
    with pytest.raises(LimosaError):
        current_context()
