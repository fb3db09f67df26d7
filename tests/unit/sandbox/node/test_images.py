import sys

import pytest

from limosa.render.remedies import remedy_of
from limosa_sandbox.node.images import Program, Refusal, program_of

_RUNNABLE = ("limosa/task:*",)


def _choose(image: str, command: list[str], **annotations):
    pod = {
        "metadata": {
            "annotations": {
                "limosa.dev/" + name.replace("_", "-"): value for name, value in annotations.items()
            }
        }
    }
    return program_of(pod, image, command, _RUNNABLE, sys.executable)


def test_the_runtime_of_a_task_image_is_a_module_to_fork():
    assert _choose("limosa/task:1", ["python", "-m", "limosa.runtime"]) == Program(
        sys.executable, (sys.executable, "-m", "limosa.runtime"), "limosa.runtime"
    )


@pytest.mark.parametrize(
    "command", [["python", "-c", "1"], ["python3", "x.py"], ["python", "-m", "limosa.runtime", "more"]]
)
def test_any_other_python_command_is_executed(command):
    chosen = _choose("limosa/task:1", command)

    assert isinstance(chosen, Program)
    assert chosen.module is None
    assert chosen.argv == (sys.executable, *command[1:])


@pytest.mark.parametrize(
    ("image", "command"),
    [
        ("pytorch/pytorch", ["python", "-m", "limosa.runtime"]),
        ("limosa/task", ["python", "-m", "limosa.runtime"]),
        ("limosa/task:1", ["sh"]),
        ("limosa/task:1", ["/bin/sh"]),
        ("limosa/task:1", []),
    ],
)
def test_everything_else_is_refused_and_has_its_remedy(image, command):
    refusal = _choose(image, command)

    assert isinstance(refusal, Refusal)
    assert refusal.reason == "ImageNotRunnable"
    assert "no container engine" in refusal.message
    remedy = remedy_of(refusal.reason, refusal.message)
    assert "limosa config use CONTEXT" in remedy
    is_function = "limosa.runtime" in command
    assert ("Leave out container_image" in remedy) == is_function
    assert ("limosa.testing.patch" in remedy) != is_function


def test_an_interpreter_that_is_gone_is_a_start_error():
    refusal = _choose("limosa/task:1", ["python"], sandbox_python="/gone/python")

    assert isinstance(refusal, Refusal)
    assert refusal.reason == "StartError"


def test_programs_of_this_machine_need_consent_and_a_path():
    assert isinstance(_choose("x", ["/bin/sh"], sandbox_host_process="true"), Program)
    assert isinstance(_choose("x", ["sh"], sandbox_host_process="true"), Refusal)
    assert isinstance(_choose("x", ["/bin/sh"], sandbox_host_process="yes"), Refusal)
