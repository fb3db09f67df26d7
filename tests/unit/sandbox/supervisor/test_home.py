import os
from pathlib import Path

import pytest

from limosa_sandbox.supervisor.home import Home, HomeInUse, HomeLock


def test_a_home_is_closed_to_others_even_where_it_was_open(tmp_path: Path) -> None:
    root = tmp_path / "home"
    root.mkdir(mode=0o755)
    home = Home(root)
    home.make()
    for path in (root, *root.iterdir()):
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_home_has_one_holder_at_a_time(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lock = HomeLock(home)
    with pytest.raises(HomeInUse, match=f"process {os.getpid()}") as caught:
        HomeLock(home)
    assert "limosa demo stop" in str(caught.value)
    lock.release()
    HomeLock(home).release()


def test_a_lock_file_without_a_holder_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("99999\n")
    lock = HomeLock(Home(tmp_path))
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()
