"""What `limosa secrets` refuses before it asks a cluster."""

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
