"""What attempts are given, on the whole platform: memory that grows, checkpoints, secrets, shared memory, templates."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from platform_rig import runs
from platform_rig.sandbox import NAMESPACE, Sandbox
from platform_rig.waiting import wait_for

from limosa.remote import Client
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER

FLOW = '''
import os
import time
from pathlib import Path

from limosa import File, Grow, Resources, Retry, Secret, ShellTask, current_context, map_task, task, workflow

MEBI = 1024 * 1024


@task(retries=Retry(2, memory=Grow(factor=3)), resources=Resources(mem="128Mi"))
def hungry(mebi: int) -> int:
    """Takes memory until it has enough, and holds it long enough to be seen."""
    held = b"x" * (MEBI * mebi)
    time.sleep(1.0)
    return len(held) // MEBI


@workflow
def growing(mebi: int) -> int:
    return hungry(mebi=mebi)


@task(retries=3)
def counting(steps: int) -> str:
    """One step an attempt; what was done before is not done again."""
    context = current_context()
    done = int(context.checkpoint.read() or b"0") + 1
    context.checkpoint.write(str(done).encode())
    if done < steps:
        raise RuntimeError(f"killed after step {done}")
    context.logger.info("done after %d", context.attempt)
    return f"{context.node} attempt {context.attempt} step {done}"


@workflow
def resumed(steps: int) -> str:
    return counting(steps=steps)


@task(
    secrets=[Secret("hub", "token"), Secret("hub", "file", file="/etc/hub/file")],
    shared_memory="16Mi",
    resources=Resources(mem="256Mi"),
)
def guarded() -> str:
    shared = Path("/dev/shm") / f"limosa-test-{os.getpid()}"
    shared.write_bytes(b"x")
    shared.unlink()
    return os.environ["TOKEN"][::-1] + Path(os.environ["FILE_FILE"]).read_text()[::-1]


@workflow
def guards() -> str:
    return guarded()


@task(pod_template_name="roomy", environment={"OWN": "task"})
def templated() -> str:
    return f"{os.environ['FROM_TEMPLATE']} {os.environ['OWN']}"


@workflow
def templates() -> str:
    return templated()


greet = ShellTask(
    "greet",
    script="echo hello {{ .inputs.name }} > {{ .outputs.text }}",
    inputs={"name": str},
    outputs={"text": File},
)
broken = ShellTask("broken", "echo the reason >&2; exit 3")


@task
def shout(text: File) -> str:
    return text.open().read().strip().upper()


@workflow
def greets(name: str) -> str:
    return shout(text=greet(name=name))


@workflow
def breaks() -> None:
    broken()


@task(pod_template={"spec": {"hostNetwork": True}})
def greedy() -> str:
    return "never"


@workflow
def refused() -> str:
    return greedy()
'''


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attempts")
    (folder / "limosa.toml").write_text("")
    (folder / "attempts.py").write_text(FLOW)
    return folder / "attempts.py"


def launches(sandbox: Sandbox, run: str) -> list[Any]:
    with sandbox.client() as client:
        found = [s for s in client.get_run(run).snapshots if s.WhichOneof("state") == "launch"]
    return [snapshot.launch for snapshot in sorted(found, key=lambda snapshot: snapshot.key.launch)]


def output(sandbox: Sandbox, done: runs.Ended) -> Any:
    assert done.phase == "SUCCEEDED", done.failure
    (value,) = runs.outputs(sandbox, done.name).values()
    return value


def ended(sandbox: Sandbox, name: str) -> runs.Ended:
    with sandbox.client() as client:
        return runs.await_end(client, name)


def reasons(client: Client, name: str) -> set[str]:
    return {snapshot.node.reason.code for snapshot in client.get_run(name).snapshots}


def secrets(sandbox: Sandbox, *arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """The command as a person of this sandbox runs it."""
    state = sandbox.state()
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(sandbox.folder),
        "LIMOSA_HOME": str(sandbox.home),
        "LIMOSA_ENDPOINT": f"http://{state['admin_endpoint']}",
        "LIMOSA_TOKEN": state["admin_token"],
    }
    program = "from limosa.cli.main import main; main()"
    command = [str(sandbox.author_python), "-c", program, "secrets", *arguments]
    return subprocess.run(command, env=environ, input=given, capture_output=True, check=False, timeout=60)


def test_memory_grows_after_an_out_of_memory_kill(sandbox: Sandbox, flow: Path) -> None:
    done = runs.run(sandbox, flow, "growing", {"mebi": 200})
    assert output(sandbox, done) == 200
    first, second = launches(sandbox, done.name)
    assert (first.memory, second.memory) == ("128Mi", "384Mi")
    assert first.failure.code == "OOMKilled"
    assert "OOMKilled at 128Mi; the next attempt gets 384Mi" in first.failure.message


def test_an_attempt_goes_on_from_the_checkpoint_of_the_one_before(sandbox: Sandbox, flow: Path) -> None:
    done = runs.run(sandbox, flow, "resumed", {"steps": 3})
    assert output(sandbox, done) == "n0 attempt 3 step 3"


def test_secrets_are_set_listed_read_by_tasks_and_deleted(
    sandbox: Sandbox, flow: Path, tmp_path: Path
) -> None:
    (tmp_path / "value").write_bytes(b"from-a-file")
    made = secrets(sandbox, "set", "hub", f"file=@{tmp_path / 'value'}")
    assert made.returncode == 0, made.stderr
    assert b"made secret hub (file)" in made.stderr
    warned = runs.try_limosa(sandbox, "run", "--remote", "--detach", str(flow), "guards")
    assert warned.returncode == 0, warned.stderr
    assert f"warning: key 'token' of secret 'hub' is missing in {NAMESPACE}" in warned.stderr
    changed = secrets(sandbox, "set", "hub", "token", given=b"hunter2\n")
    assert b"changed secret hub (token)" in changed.stderr
    listed = secrets(sandbox, "list", "-o", "json")
    (row,) = json.loads(listed.stdout)
    assert (row["name"], row["keys"]) == ("hub", ["file", "token"])
    for said in (made, changed, listed, secrets(sandbox, "list")):
        assert b"hunter2" not in said.stdout + said.stderr
        assert b"from-a-file" not in said.stdout + said.stderr
    # The run that was warned of has waited for the key.
    assert output(sandbox, ended(sandbox, warned.stdout.strip())) == "hunter2"[::-1] + "from-a-file"[::-1]
    deleted = secrets(sandbox, "delete", "hub", "--yes")
    assert deleted.returncode == 0
    assert json.loads(secrets(sandbox, "list", "-o", "json").stdout) == []


def test_other_secrets_are_left_alone(sandbox: Sandbox) -> None:
    for arguments in (("set", "limosa-storage", "key"), ("delete", "limosa-storage", "--yes")):
        refused = secrets(sandbox, *arguments, given=b"x")
        assert refused.returncode != 0
        assert b"limosa-storage" in refused.stderr
    missing = secrets(sandbox, "delete", "no-such", "--yes")
    assert b"there is no secret 'no-such'" in missing.stderr


def test_a_named_template_is_waited_for_and_used(sandbox: Sandbox, flow: Path) -> None:
    name = runs.submit(sandbox, flow, "templates")
    with sandbox.client() as client:
        wait_for(lambda: "PodTemplateMissing" in reasons(client, name), sandbox.told)
    template = {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "roomy", "namespace": NAMESPACE},
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "task",
                        "image": "placeholder",
                        "env": [{"name": "FROM_TEMPLATE", "value": "roomy"}],
                    }
                ]
            }
        },
    }
    status, made = sandbox.kube("POST", f"/api/v1/namespaces/{NAMESPACE}/podtemplates", template)
    assert status == 201, made
    assert made["template"]["spec"]["restartPolicy"] == "Always"
    assert output(sandbox, ended(sandbox, name)) == "roomy task"


def test_scripts_run_in_pods(sandbox: Sandbox, flow: Path) -> None:
    assert output(sandbox, runs.run(sandbox, flow, "greets", {"name": "$(id) Ada"})) == "HELLO $(ID) ADA"


def test_a_script_that_fails_tells_its_last_lines(sandbox: Sandbox, flow: Path) -> None:
    done = runs.run(sandbox, flow, "breaks")
    assert (done.phase, done.failure.kind, done.failure.code) == ("FAILED", FAILURE_KIND_USER, "Exited")
    assert done.failure.message == "broken: the script ended with exit status 3:\nthe reason"


def test_what_policy_forbids_fails_with_task_field_and_remedy(sandbox: Sandbox, flow: Path) -> None:
    done = runs.run(sandbox, flow, "refused")
    assert done.phase == "FAILED"
    assert done.failure.code == "PodPolicy"
    assert "task attempts.greedy: pod_template: spec.hostNetwork must not be true" in done.failure.message
    assert "LIMOSA_PODS_MAY=host-namespaces" in done.failure.message
