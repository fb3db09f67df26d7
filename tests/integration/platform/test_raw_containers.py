"""Raw containers on the sandbox: refused without an engine, and, as programs of this machine, run between our two steps."""

from pathlib import Path
from typing import Any

import pytest
from platform_rig import runs
from platform_rig.sandbox import Sandbox
from platform_rig.waiting import wait_for

from limosa.render.remedies import remedy_of
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER
from limosa_model.names import ANNOTATION_SANDBOX_PYTHON

FLOW = '''
from limosa import ContainerTask, Directory, File, Retry, task, workflow

SCRIPT = """
echo working on it
wc -l < $LIMOSA_INPUTS/source > $LIMOSA_OUTPUTS/lines
mkdir $LIMOSA_OUTPUTS/folder; cat $LIMOSA_INPUTS/numbers > $LIMOSA_OUTPUTS/folder/numbers
echo "$0 $(cat $LIMOSA_INPUTS/word)" > $LIMOSA_OUTPUTS/said
"""

count = ContainerTask(
    "count",
    image="team/tool:1",
    command=["/bin/sh", "-c", SCRIPT, "{{ .inputs.word }}"],
    inputs={"source": File, "numbers": list[int], "word": str},
    outputs={"lines": int, "folder": Directory, "said": str},
)
broken = ContainerTask("broken", image="team/tool:1", command=["/bin/sh", "-c", "echo the reason; exit 3"], retries=Retry(1))
forgetful = ContainerTask("forgetful", image="team/tool:1", command=["/bin/true"], outputs={"text": str})


@task
def make() -> File:
    with open("lines.txt", "w") as lines:
        lines.write("a\\nb\\nc\\n")
    return File("lines.txt")


@task
def told(lines: int, folder: Directory, said: str) -> str:
    with open(folder.path + "/numbers") as numbers:
        return f"{lines} {numbers.read()} {said}"


@workflow
def counted(word: str) -> str:
    found = count(source=make(), numbers=[1, 2], word=word)
    return told(lines=found.lines, folder=found.folder, said=found.said)


@workflow
def breaks() -> None:
    broken()


@workflow
def forgets() -> str:
    return forgetful()
'''


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    (folder / "limosa.toml").write_text("")
    (folder / "raw.py").write_text(FLOW)
    return folder / "raw.py"


def run_here(sandbox: Sandbox, flow: Path, entity: str, **inputs: str) -> runs.Ended:
    """Runs a registered workflow with programs of this machine in place of images."""
    from limosa_idl.admin.v1alpha1 import admin_pb2
    from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
    from limosa_model.values import string

    runs.limosa(sandbox, "register", str(flow), "--version", "v1")
    annotations = {
        ANNOTATION_SANDBOX_PYTHON: str(sandbox.author_python),
        "limosa.dev/sandbox-host-process": "true",
    }
    with sandbox.client() as client:
        target = client.entity_id(admin_pb2.ENTITY_KIND_WORKFLOW, f"raw.{entity}", "v1")
        literals = LiteralMap(literals={name: string(value) for name, value in inputs.items()})
        run = client.create_run(f"raw-{entity}", target, literals, annotations=annotations)
        return runs.await_end(client, run.name)


def logs(sandbox: Sandbox, run: str, node: str) -> str:
    with sandbox.client() as client:
        return "".join(chunk.text for chunk in client.logs(run, node_path=node))


def test_without_an_engine_the_remedies_are_named(sandbox: Sandbox, flow: Path) -> None:
    ended = runs.run(sandbox, flow, "breaks")
    assert (ended.phase, ended.failure.code) == ("FAILED", "ImageNotRunnable")
    assert (
        'the sandbox has no container engine and cannot run the image "team/tool:1"' in ended.failure.message
    )
    assert "limosa config use CONTEXT" in remedy_of(ended.failure.code, ended.failure.message)


def test_inputs_come_as_files_and_arguments_and_outputs_from_files(sandbox: Sandbox, flow: Path) -> None:
    ended = run_here(sandbox, flow, "counted", word="$(HOME) and 'more'")
    assert ended.phase == "SUCCEEDED", ended.failure
    (value,) = runs.outputs(sandbox, ended.name).values()
    assert value == "3 [1, 2] $(HOME) and 'more' $(HOME) and 'more'"
    wait_for(lambda: "working on it" in logs(sandbox, ended.name, "n1"), sandbox.told)


def test_an_exit_code_is_the_author_s_failure_and_its_log_is_kept(sandbox: Sandbox, flow: Path) -> None:
    ended: Any = run_here(sandbox, flow, "breaks")
    assert (ended.phase, ended.failure.kind, ended.failure.code) == ("FAILED", FAILURE_KIND_USER, "Exited")
    assert "exit code 3" in ended.failure.message
    assert ended.failure.origin.launch == 1
    assert logs(sandbox, ended.name, "n0").strip().endswith("the reason")


def test_an_output_that_was_not_left_is_told(sandbox: Sandbox, flow: Path) -> None:
    ended = run_here(sandbox, flow, "forgets")
    assert (ended.phase, ended.failure.code) == ("FAILED", "BadOutput")
    assert "output 'text' is missing" in ended.failure.message
