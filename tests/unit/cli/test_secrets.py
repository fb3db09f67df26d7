"""What `limosa secrets` refuses before it asks a cluster."""

import json
import socket
from pathlib import Path

import pytest

from limosa.cli.main import run


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["set", "Hub", "token"], "'Hub' is no name of a secret: use lower-case letters"),
        (["set", "hub", "to ken"], "'to ken' is no key"),
        (["set", "hub", "token=hunter2"], "the value of 'token' would stay in your shell's history"),
        (["set", "hub", "a=@x", "a=@y"], "cannot be read"),
        (["set", "hub", "token=@/no/such/file"], "/no/such/file cannot be read: No such file"),
        (["set", "hub"], "Missing argument"),
    ],
)
def test_says_what_is_wrong(arguments: list[str], told: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["secrets", *arguments]) != 0
    said = capfd.readouterr()
    assert told in said.err
    assert "hunter2" not in said.out + said.err


def test_an_empty_input_is_no_value(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    assert run(["secrets", "set", "hub", "token"]) != 0
    assert "standard input has no value for 'token'" in capfd.readouterr().err


def test_without_a_way_to_a_cluster_the_remedy_is_named(
    tmp_path: object, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none")
    monkeypatch.setenv("LIMOSA_HOME", f"{tmp_path}/home")
    assert run(["secrets", "list"]) != 0
    said = capfd.readouterr().err
    assert "there is no way to the cluster" in said
    assert "limosa config add CONTEXT --kube-context NAME" in said


def test_a_question_that_nobody_answers_has_its_own_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    import click

    from limosa.cli.console import confirm

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(click.UsageError, match="add --yes") as told:
        confirm("delete hub?")
    assert "delete hub?" not in told.value.message
    assert capfd.readouterr().err == "delete hub? [y/N]: \n"


def test_a_cluster_that_does_not_answer_is_told_without_its_client_s_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        found = {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(found))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setenv("LIMOSA_HOME", f"{tmp_path}/home")
        assert run(["secrets", "list"]) == 6
    assert capfd.readouterr().err == (
        "Error: the cluster does not answer\n  at demo-development\n  → check it: kubectl cluster-info\n"
    )


def test_what_is_missing_is_told_with_how_long_tasks_wait_and_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from limosa.cli import cluster_secrets
    from limosa.config import resolve
    from limosa_idl.task.v1alpha1.task_pb2 import SecretRef, TaskSpec

    monkeypatch.setattr(cluster_secrets, "_open", lambda access: (None, ()))
    monkeypatch.setattr(
        cluster_secrets.ClusterSecrets, "entries", lambda self: [{"name": "db", "keys": ["user"]}]
    )
    settings = resolve({"project": "ml"}, {"LIMOSA_KUBE_CONTEXT": "lab"}, Path("/"))
    task = TaskSpec(secrets=[SecretRef(name="db", key="password"), SecretRef(name="db", key="user")])
    assert cluster_secrets.missing_secrets(settings, [task]) == [
        "key 'password' of secret 'db' is missing in ml-development; tasks wait 30 s for it, then they fail: "
        "limosa secrets set db password -p ml"
    ]
