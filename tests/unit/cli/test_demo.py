"""The demo platform's files, without starting one; the integration tests start it."""

import fcntl
import io
import json
import os

import pytest

from limosa.cli import platform
from limosa.cli.platform import Options, Platform, path_line
from limosa.errors import LimosaError


@pytest.fixture
def home(tmp_path):
    made = tmp_path / "home"
    made.mkdir()
    return made


def hold(home, pid="1"):
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(descriptor, pid.encode())
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def test_it_runs_while_somebody_holds_the_home_whatever_the_files_say(home):
    (home / "state.json").write_text(json.dumps({"phase": "ready", "pid": 1}))
    assert not Platform(home).is_running()
    assert not Platform(home).is_ready()
    descriptor = hold(home)
    assert Platform(home).is_ready()
    os.close(descriptor)
    assert not Platform(home).is_running()


def test_nothing_was_ever_started(limosa):
    assert limosa("demo", "stop").err == "it was not running\n"
    status = limosa("demo", "status", "-o", "json")
    assert (status.status, json.loads(status.out)["phase"]) == (3, "stopped")
    assert "nothing to reset" in limosa("demo", "reset", "--yes").err
    assert "none yet" in limosa("demo", "logs").err


@pytest.mark.parametrize(
    ("option", "text", "example"),
    [("--cpus", "x", "8 or 500m"), ("--cpus", "0", "8 or 500m"), ("--memory", "lots", "8Gi or 500Mi")],
)
def test_an_offer_that_is_no_quantity_is_refused(limosa, option, text, example):
    told = limosa("demo", "start", option, text)
    assert (told.status, f"{text!r} is no quantity, such as {example}" in told.err) == (2, True)


def test_what_a_start_offers_does_not_change_what_runs(limosa, place):
    home = place.parent / "home"
    home.mkdir()
    descriptor = hold(home)
    told = limosa("demo", "start", "--gpus", "2")
    os.close(descriptor)
    assert told.status != 0
    assert "the platform runs already, and --gpus 2 is for its start" in told.err
    assert "limosa demo stop, then limosa demo start --gpus 2" in told.err


def test_reset_deletes_only_what_the_platform_made(home):
    for name in ("state.json", "kubeconfig", "mine.txt"):
        (home / name).write_text("{}")
    (home / "objects" / "deep").mkdir(parents=True)
    left = Platform(home).remove()
    assert [path.name for path in left] == ["mine.txt"]
    assert [path.name for path in home.iterdir()] == ["mine.txt"]
    (home / "mine.txt").unlink()
    (home / "lock").write_text("")
    assert Platform(home).remove() == []
    assert not home.exists()


def test_reset_follows_no_links_out_of_the_home(home, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "f").write_text("")
    (home / "objects").symlink_to(tmp_path / "precious")
    Platform(home).remove()
    assert (tmp_path / "precious" / "f").exists()


def test_reset_asks(limosa, place, monkeypatch):
    import io

    home = place.parent / "home"
    home.mkdir()
    (home / "state.json").write_text('{"phase": "stopped"}')
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert limosa("demo", "reset").status == 1
    assert (home / "state.json").exists()


def test_what_is_missing_is_named_with_the_line_that_installs_it(limosa, monkeypatch):
    monkeypatch.setattr(platform, "_NEEDED", ("limosa", "not_a_module_of_anyone"))
    result = limosa("demo", "start")
    assert result.status == 2
    assert "missing: not_a_module_of_anyone" in result.err
    assert "-m pip install 'limosa[sandbox]'" in result.err


def test_a_home_that_cannot_be_written(limosa, place, monkeypatch):
    monkeypatch.setattr(platform, "_NEEDED", ())
    (place.parent / "home").write_text("a file")
    result = limosa("demo", "start")
    assert result.status == 3
    assert "home cannot be used" in result.err
    assert "LIMOSA_HOME" in result.err


def test_a_platform_that_ends_says_why(home, monkeypatch):
    monkeypatch.setattr(platform, "_NEEDED", ())
    monkeypatch.setattr(platform.sys, "executable", "/bin/false")
    with pytest.raises(LimosaError, match="did not come up") as caught:
        Platform(home).start(Options(), lambda state: None)
    assert "demo logs sandbox" in caught.value.remedy


def test_options_stand_after_the_verb(limosa):
    result = limosa("demo", "--gpus", "2", "start")
    assert (result.status, "limosa demo start …" in result.err) == (2, True)


def test_options_as_the_platform_takes_them():
    assert Options(gpus=0, memory="8Gi").arguments() == ["--gpus", "0", "--memory", "8Gi"]


def test_the_path_line_only_where_it_is_needed(monkeypatch, tmp_path):
    (tmp_path / "limosa").write_text("")
    (tmp_path / "limosa").chmod(0o755)
    monkeypatch.setattr(platform.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert path_line(["x"]) == f'export PATH="{tmp_path}:$PATH"'
    monkeypatch.setenv("PATH", str(tmp_path))
    assert path_line(["x"]) is None


def test_logs_show_the_last_lines(limosa, place):
    logs = place.parent / "home" / "logs"
    logs.mkdir(parents=True)
    (logs / "admin.log").write_text("one\ntwo\nthree\n")
    assert limosa("demo", "logs", "admin", "--tail", "2").out == "two\nthree\n"


def ready(home):
    state = {
        "phase": "ready",
        "pid": 1,
        "admin_url": "http://127.0.0.1:1",
        "admin_token": "t",
        "kubeconfig": str(home / "kube config"),
    }
    (home / "state.json").write_text(json.dumps(state))
    return hold(home)


def test_status_has_an_address_that_logs_in(limosa, home, monkeypatch):
    monkeypatch.setattr("limosa.cli.login.login_url", lambda base, token: f"{base}/login?token=once")
    descriptor = ready(home)
    shown = limosa("demo", "status", "--home", str(home))
    os.close(descriptor)
    assert shown.status == 0
    assert "log in            http://127.0.0.1:1/login?token=once\n" in shown.out


def test_printed_lines_can_be_pasted_where_paths_have_spaces(limosa, tmp_path, monkeypatch):
    monkeypatch.setattr("limosa.cli.login.login_url", lambda base, token: base)
    home = tmp_path / "my home"
    home.mkdir()
    os.close(ready(home))
    monkeypatch.setattr(
        Platform, "start", lambda self, options, on_step: self.state() | {"admin_endpoint": "x"}
    )
    shown = limosa("demo", "start", "--home", str(home))
    assert f"export KUBECONFIG='{home / 'kube config'}'\n" in shown.err
    assert f"cd '{tmp_path / 'new one'}' && limosa run" in limosa("init", str(tmp_path / "new one")).err


def test_reset_without_an_answer_resets_nothing(limosa, home, monkeypatch):
    (home / "state.json").write_text('{"phase": "stopped"}')
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    result = limosa("demo", "reset", "--home", str(home))
    assert result.status == 1
    assert "nothing was reset" in result.err
    assert (home / "state.json").exists()
