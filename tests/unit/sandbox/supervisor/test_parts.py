from pathlib import Path

from limosa_sandbox.settings import SandboxSettings
from limosa_sandbox.supervisor import parts
from limosa_sandbox.supervisor.child import HEALTHY_AFTER_S, Pauses, describe_exit
from limosa_sandbox.supervisor.credentials import AccessKey
from limosa_sandbox.supervisor.home import Home
from limosa_sandbox.supervisor.logs import cap_log, tail
from limosa_sandbox.supervisor.state import SandboxState
from limosa_store import StoreSettings

PORTS = {"storage": 1, "kubernetes": 2, "admin_grpc": 3, "admin_http": 4, "operator_health": 5, "postgres": 6}
ENVIRON = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "AWS_PROFILE": "work",
    "AWS_ACCESS_KEY_ID": "work",
    "KUBECONFIG": "/home/me/.kube/config",
    "PGHOST": "prod",
    "LIMOSA_ENDPOINT": "https://prod",
    "https_proxy": "http://proxy",
    "HTTPS_PROXY": "http://proxy",
}


def test_a_persons_settings_for_other_services_do_not_reach_the_parts() -> None:
    assert parts.base_environment(ENVIRON) == {"PATH": "/bin", "HOME": "/home/me", "PYTHONUNBUFFERED": "1"}


def test_admin_and_operator_are_told_of_each_other_and_the_store() -> None:
    home, key = Home(Path("/h")), AccessKey("AK", "SK")
    admin = parts.admin(home, ENVIRON, PORTS, "postgresql://x", Path("/h/tokens"), key)
    operator = parts.operator(home, ENVIRON, PORTS, Path("/h/token"), key, SandboxSettings(Path("/h")))
    assert admin.environment["LIMOSA_ADMIN_GRPC_LISTEN"] == operator.environment["LIMOSA_ADMIN_ENDPOINT"]
    assert admin.environment["LIMOSA_SANDBOX"] == "1"
    assert operator.environment["KUBECONFIG"] == "/h/kubeconfig"
    for spec in (admin, operator):
        store = StoreSettings.from_env(spec.environment)
        assert (store.endpoint, store.access_key, store.secret_key) == ("http://127.0.0.1:1", "AK", "SK")
        assert "SK" not in repr(spec)
        assert not any("SK" in argument or "postgresql" in argument for argument in spec.command)


def test_a_part_that_was_up_is_started_again_at_once_however_often_it_is_killed() -> None:
    pauses = Pauses()
    assert {pauses.after(lived_s=HEALTHY_AFTER_S) for _ in range(20)} == {0.1}
    assert HEALTHY_AFTER_S <= 10


def test_a_part_that_does_not_come_up_is_started_again_more_and_more_seldom() -> None:
    pauses = Pauses()
    waited = [pauses.after(lived_s=1.0) for _ in range(8)]
    assert waited == sorted(waited)
    assert waited[0] == 0.1
    assert waited[-1] == 10.0
    pauses.after(HEALTHY_AFTER_S + 1)
    assert pauses.after(lived_s=1.0) == waited[1]


def test_exit_statuses_have_words() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "signal SIGKILL"
    assert describe_exit(-99) == "signal 99"


def test_a_log_that_grew_is_moved_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 100)
        assert not cap_log(path, 1000)
        assert cap_log(path, 100)
        writer.write(b"new\n")
    assert path.read_text() == "new\n"
    assert (tmp_path / "part.log.1").read_text() == "old\n" * 100
    assert not cap_log(tmp_path / "absent.log")


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(50)) + b"\xff bad bytes\n")
    assert tail(path, 2) == "line 49\n\ufffd bad bytes"
    assert tail(tmp_path / "absent.log") == ""


def test_the_state_file_is_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state = SandboxState(home="/h", pid=1, pid_started=2.0, admin_token="hush")
    for phase in ("starting", "ready"):
        state.phase = phase
        state.save(path)
        assert f'"phase": "{phase}"' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]
    assert "hush" not in repr(state)
