"""Unpacking a lock's wheels: once, all or nothing, and nothing outside."""

import hashlib
import io
import os
import platform
import signal
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from limosa.errors import LimosaError
from limosa.packages.lock import PackageLock, Wheel
from limosa.packages.unpacking import unpack_once

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PLATFORM = f"{platform.machine()}-manylinux_2_28"


class Stored:
    """A lock and its wheels as a store gives them; counts what is asked of it."""

    def __init__(self, *wheels: Path, python: str = HERE, platform: str = PLATFORM) -> None:
        self.content = {hashlib.sha256(path.read_bytes()).hexdigest(): path.read_bytes() for path in wheels}
        listed = [
            Wheel(*path.name.split("-")[:2], path.name, digest)
            for path, digest in zip(wheels, self.content, strict=True)
        ]
        self.lock = PackageLock(python, platform, tuple(listed))
        self.text = self.lock.text()
        self.opened: list[str] = []

    def open(self, digest: str) -> io.BytesIO:
        self.opened.append(digest)
        return io.BytesIO(self.content[digest])

    def unpack(self, directory: Path) -> Path:
        return Path(unpack_once(str(directory), self.lock.digest, lambda: self.text, self.open))


def test_packages_and_the_parts_of_their_data_folders(tmp_path: Path, make_wheel) -> None:
    more = {
        "one-1.0.data/purelib/pure.py": "x = 1",
        "one-1.0.data/scripts/tool": "#!python",
        "one-1.0.data/data/share/words": "w",
        "shared/one.py": "",
    }
    one = make_wheel(tmp_path / "wheels", "one", "1.0", "", more=more)
    two = make_wheel(tmp_path / "wheels", "two", "1.0", "", more={"shared/two.py": ""})
    folder = Stored(one, two).unpack(tmp_path / "node")
    for name in ("one/__init__.py", "pure.py", "bin/tool", "share/words", "shared/one.py", "shared/two.py"):
        assert (folder / name).is_file()
    assert {path.name.partition(".")[2] for path in (tmp_path / "node").iterdir()} == {"", "lock"}


def test_programs_stay_executable(tmp_path: Path) -> None:
    path = tmp_path / "tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("tool/run")
        info.external_attr = 0o755 << 16
        archive.writestr(info, "#!/bin/sh")
        archive.writestr(zipfile.ZipInfo("tool/text"), "")
    folder = Stored(path).unpack(tmp_path / "node")
    assert os.access(folder / "tool/run", os.X_OK)
    assert not (folder / "tool/text").stat().st_mode & 0o111


def test_once_for_all_who_come_together(tmp_path: Path, make_wheel) -> None:
    stored = Stored(make_wheel(tmp_path / "wheels", "one", "1.0", ""))
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(stored.unpack(tmp_path / "node"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(stored.opened) == 1


def test_the_next_takes_over_from_one_who_was_killed(tmp_path: Path, make_wheel) -> None:
    stored = Stored(make_wheel(tmp_path / "wheels", "one", "1.0", ""))
    pid = os.fork()
    if not pid:
        stored.open = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        stored.unpack(tmp_path / "node")
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    assert not (tmp_path / "node" / stored.lock.digest).exists()
    assert (stored.unpack(tmp_path / "node") / "one").is_dir()


@pytest.mark.parametrize(
    ("name", "says"),
    [("../evil.py", "'../evil.py'"), ("/etc/evil", "'/etc/evil'"), ("a/../../evil", "leads out")],
)
def test_a_hostile_wheel_leaves_nothing(tmp_path: Path, name: str, says: str) -> None:
    path = tmp_path / "evil-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.py", "")
        archive.writestr(name, "")
    stored = Stored(path)
    with pytest.raises(LimosaError, match=says):
        stored.unpack(tmp_path / "node")
    assert [one.suffix for one in (tmp_path / "node").iterdir()] == [".lock"]
    assert not (tmp_path / "evil.py").exists()


def test_bytes_that_are_not_those_of_the_lock_are_refused(tmp_path: Path, make_wheel) -> None:
    stored = Stored(make_wheel(tmp_path / "wheels", "one", "1.0", ""))
    for digest in stored.content:
        stored.content[digest] += b"x"
    with pytest.raises(LimosaError, match="its lock says"):
        stored.unpack(tmp_path / "node")
    stored.text += b" "
    with pytest.raises(LimosaError, match="the stored lock of packages has the digest"):
        stored.unpack(tmp_path / "node")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"python": "3.7"}, r"the packages are for Python 3\.7, this is"),
        ({"platform": "s390x-unknown-linux-gnu"}, "the packages are for s390x-unknown-linux-gnu, this is"),
        ({"platform": f"{platform.machine()}-apple-darwin"}, "apple-darwin"),
    ],
)
def test_packages_for_other_machines_are_refused(tmp_path: Path, make_wheel, options, says: str) -> None:
    stored = Stored(make_wheel(tmp_path / "wheels", "one", "1.0", ""), **options)
    with pytest.raises(LimosaError, match=says):
        stored.unpack(tmp_path / "node")
