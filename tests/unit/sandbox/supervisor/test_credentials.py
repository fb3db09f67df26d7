import json
from pathlib import Path

from limosa_sandbox.s3.settings import read_credentials
from limosa_sandbox.supervisor.credentials import (
    load_credentials,
    write_bootstrap_tokens,
    write_operator_token,
    write_storage_keys,
)
from limosa_sandbox.supervisor.home import Home

PROJECTS = {"demo-staging": ("demo", "staging")}


def home_at(path: Path) -> Home:
    home = Home(path / "home")
    home.make()
    return home


def test_credentials_are_made_once_and_kept(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    first = load_credentials(home, ["demo-staging"])
    assert load_credentials(home, ["demo-staging"]) == first
    grown = load_credentials(home, ["demo-staging", "other-staging"])
    assert grown.namespaces["demo-staging"] == first.namespaces["demo-staging"]
    assert set(grown.namespaces) == {"demo-staging", "other-staging"}
    secrets = [first.postgres_password, first.kubernetes_token, first.person_token, first.operator_token]
    assert len(set(secrets)) == 4
    assert load_credentials(home_at(tmp_path / "b"), []).person_token != first.person_token


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    credentials = load_credentials(home_at(tmp_path), ["demo-staging"])
    for secret in (
        credentials.postgres_password,
        credentials.person_token,
        credentials.storage.secret_key,
        credentials.namespaces["demo-staging"].secret_key,
    ):
        assert secret not in repr(credentials)


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    credentials = load_credentials(home, list(PROJECTS))
    write_storage_keys(home, credentials, PROJECTS)
    write_bootstrap_tokens(home, credentials)
    write_operator_token(home, credentials)
    files = list(home.secrets.iterdir())
    assert len(files) == 4
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_namespaces_key_writes_runs_and_reads_its_project_domain(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    credentials = load_credentials(home, ["demo-staging", "gone-staging"])
    keys = read_credentials(write_storage_keys(home, credentials, PROJECTS))
    assert set(keys) == {credentials.storage.access_key, credentials.namespaces["demo-staging"].access_key}
    platform, pod = (
        keys[key.access_key] for key in (credentials.storage, credentials.namespaces["demo-staging"])
    )
    assert platform.may_write("limosa/data/x")
    assert pod.may_write("limosa/data/demo/staging/runs/r/commits/n0.pb")
    assert pod.may_read("limosa/data/demo/staging/code/c.tar.gz")
    for path in (
        "demo/staging/code/c",
        "demo/staging/closures/c",
        "demo/stagingx/runs/r",
        "demo/production/runs/r",
    ):
        assert not pod.may_write(f"limosa/data/{path}")
    for path in ("demo/production/runs/r", "other/staging/runs/r", ""):
        assert not pod.may_read(f"limosa/data/{path}")


def test_bootstrap_tokens_tell_people_from_operators(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    credentials = load_credentials(home, [])
    entries = json.loads(write_bootstrap_tokens(home, credentials).read_text())
    assert [(entry["token"], entry["role"]) for entry in entries] == [
        (credentials.person_token, "admin"),
        (credentials.operator_token, "operator"),
    ]
    assert write_operator_token(home, credentials).read_text() == credentials.operator_token
