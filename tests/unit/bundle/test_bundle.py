"""Bundles: canonical bytes, what travels, and what is refused on the way back."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import types
from pathlib import Path, PurePosixPath

import pytest

from limosa.bundle import BundleError, all_files, imported_files, included_files, pack, unpack


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    (root / "pkg").mkdir(parents=True)
    (root / "flow.py").write_text("import pkg.steps\n")
    (root / "pkg" / "__init__.py").write_text("")
    (root / "pkg" / "steps.py").write_text("x = 1\n")
    return root


def packed(root, names, **options):
    return pack(root, [PurePosixPath(name) for name in names], **options)


def archive(*members):
    """A gzipped tar of (TarInfo | name, content) pairs, with its digest."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    data = raw.getvalue()
    return gzip.compress(data), hashlib.sha256(data).hexdigest()


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_same_files_same_digest_whatever_their_times_order_and_owners(project, tmp_path):
    names = ["flow.py", "pkg/__init__.py", "pkg/steps.py"]
    first = packed(project, names)
    os.utime(project / "flow.py", (1, 1))
    (project / "flow.py").chmod(0o600)
    second = packed(project, reversed(names))
    assert first.digest == second.digest
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.files == tuple(names)
    assert hashlib.sha256(gzip.decompress(first.path.read_bytes())).hexdigest() == first.digest
    first.discard()
    assert not first.path.exists()
    second.discard()


def test_a_round_trip_keeps_contents_and_the_executable_bit(project, tmp_path):
    (project / "tool.sh").write_text("echo hi\n")
    (project / "tool.sh").chmod(0o711)
    (project / "größe").mkdir()
    long = "größe/" + "x" * 120 + ".py"
    (project / long).write_bytes(b"y" * 5000)
    bundle = packed(project, ["flow.py", "tool.sh", long])
    target = tmp_path / "deep" / "code"
    with bundle.path.open("rb") as stream:
        assert unpack(stream, bundle.digest, target) == ["flow.py", long, "tool.sh"]
    assert (target / long).read_bytes() == b"y" * 5000
    assert (target / "tool.sh").stat().st_mode & 0o777 == 0o755
    assert (target / "flow.py").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["code"]
    bundle.discard()


def test_a_link_is_packed_as_the_file_it_leads_to(project):
    (project / "alias.py").symlink_to("flow.py")
    bundle = packed(project, ["alias.py"])
    with tarfile.open(bundle.path) as tar:
        assert tar.getmember("alias.py").isreg()
    bundle.discard()


def test_too_large_names_the_five_largest_files(project):
    for index in range(7):
        (project / f"data{index}.bin").write_bytes(b"z" * (index + 1) * 1000)
    with pytest.raises(BundleError) as caught:
        packed(project, [f"data{index}.bin" for index in range(7)], max_bytes=10_000)
    error = caught.value
    assert error.code == BundleError.TOO_LARGE
    listed = [line.split()[-1] for line in error.message.splitlines()[1:]]
    assert listed == ["data6.bin", "data5.bin", "data4.bin", "data3.bin", "data2.bin"]
    assert "28.0 kB" in error.message
    assert "File or Directory" in error.remedy


def test_imported_takes_the_projects_own_modules_only(project):
    def module(name, file):
        made = types.ModuleType(name)
        made.__file__ = str(file) if file else None
        return made

    venv = project / "env" / "lib" / "site-packages"
    venv.mkdir(parents=True)
    (venv / "dep.py").write_text("")
    modules = {
        "flow": module("flow", project / "flow.py"),
        "pkg.steps": module("pkg.steps", project / "pkg" / "steps.py"),
        "dep": module("dep", venv / "dep.py"),
        "os": os,
        "limosa.task": module("limosa.task", project / "flow.py"),
        "namespace": module("namespace", None),
    }
    found = imported_files(project, modules)
    assert found == {PurePosixPath("flow.py"), PurePosixPath("pkg/steps.py")}


def test_include_takes_globs_and_directories_and_says_when_one_matches_nothing(project):
    (project / "conf" / "a").mkdir(parents=True)
    (project / "conf" / "a" / "b.yaml").write_text("")
    (project / "q.sql").write_text("")
    found = included_files(project, ["conf", "*.sql"])
    assert found == {PurePosixPath("conf/a/b.yaml"), PurePosixPath("q.sql")}
    with pytest.raises(BundleError, match="'\\*\\.csv' matches no file"):
        included_files(project, ["*.csv"])
    for pattern in ("../x", "/etc/passwd"):
        with pytest.raises(BundleError, match="leaves the source root"):
            included_files(project, [pattern])


@pytest.fixture
def elsewhere(tmp_path, project):
    """Links of a project to a file and a folder beside it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "secret.txt").write_text("s")
    (project / "link.txt").symlink_to(folder / "secret.txt")
    (project / "linked").symlink_to(folder)
    (project / "own.py").symlink_to("flow.py")
    return folder


@pytest.mark.parametrize("pattern", ["link*", "link.txt", "linked", "linked/*"])
def test_include_follows_no_link_out_of_the_source_root(project, elsewhere, pattern):
    with pytest.raises(BundleError) as caught:
        included_files(project, [pattern])
    assert f"leads out of the source root to {elsewhere}" in caught.value.message
    assert included_files(project, ["own.py"]) == {PurePosixPath("own.py")}


@pytest.mark.parametrize("versioned", [True, False])
def test_copy_all_leaves_links_out_of_the_source_root_behind(project, elsewhere, versioned):
    if versioned:
        subprocess.run(["git", "-C", str(project), "init", "-q"], check=True)
    names = {str(name) for name in all_files(project)}
    assert names == {"flow.py", "own.py", "pkg/__init__.py", "pkg/steps.py"}


def test_copy_all_follows_git(project):
    def git(*arguments):
        subprocess.run(["git", "-C", str(project), *arguments], check=True, capture_output=True)

    (project / ".gitignore").write_text("data/\n")
    (project / "data").mkdir()
    (project / "data" / "big.csv").write_text("1")
    (project / "gone.py").write_text("")
    git("init", "-q")
    git("add", "-A")
    (project / "gone.py").unlink()
    (project / "untracked.py").write_text("")
    names = {str(name) for name in all_files(project)}
    assert names == {".gitignore", "flow.py", "pkg/__init__.py", "pkg/steps.py", "untracked.py"}


def test_copy_all_without_git_leaves_out_what_tools_made(tmp_path, monkeypatch):
    root = tmp_path / "plain"
    for name in (
        "a.py",
        ".venv/lib/x.py",
        "own/pyvenv.cfg",
        "own/y.py",
        "sub/__pycache__/z.pyc",
        "node_modules/m.js",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    monkeypatch.setenv("PATH", "")
    assert all_files(root) == {PurePosixPath("a.py")}


def test_a_wrong_digest_leaves_nothing(project, tmp_path):
    bundle = packed(project, ["flow.py"])
    target = tmp_path / "out" / "code"
    with bundle.path.open("rb") as stream, pytest.raises(BundleError) as caught:
        unpack(stream, "0" * 64, target)
    assert caught.value.code == BundleError.CORRUPT
    assert list(target.parent.iterdir()) == []
    bundle.discard()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"not gzip",
        lambda data: data + b"more",
        lambda data: b"",
    ],
    ids=["truncated", "not gzip", "trailing bytes", "empty"],
)
def test_damaged_bytes_are_corrupt(damage, tmp_path):
    data, digest = archive(("a.py", b"x" * 1000))
    with pytest.raises(BundleError) as caught:
        unpack(io.BytesIO(damage(data)), digest, tmp_path / "code")
    assert caught.value.code == BundleError.CORRUPT
    assert not (tmp_path / "code").exists()


def test_bytes_that_are_no_tar_are_corrupt(tmp_path):
    data = b"hello" * 500
    with pytest.raises(BundleError) as caught:
        unpack(io.BytesIO(gzip.compress(data)), hashlib.sha256(data).hexdigest(), tmp_path / "code")
    assert caught.value.code == BundleError.CORRUPT


@pytest.mark.parametrize(
    "member",
    [
        ("../evil.py", b"x"),
        ("a/../../evil.py", b"x"),
        ("/etc/evil.py", b"x"),
        ("a\\..\\evil.py", b"x"),
        ("C:/evil.py", b"x"),
        ("./a.py", b"x"),
        (special("link.py", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (special("hard.py", tarfile.LNKTYPE, "ok.py"), b""),
        (special("pipe", tarfile.FIFOTYPE), b""),
        (special("device", tarfile.CHRTYPE), b""),
        ("ok.py", b"again"),
    ],
    ids=lambda member: str(getattr(member[0], "name", member[0])),
)
def test_hostile_members_are_refused_and_nothing_is_written(member, tmp_path):
    data, digest = archive(("ok.py", b"fine"), member)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(BundleError) as caught:
        unpack(io.BytesIO(data), digest, tmp_path / "code")
    assert caught.value.code == BundleError.HOSTILE
    assert set(tmp_path.rglob("*")) == before


def test_a_size_bomb_is_stopped_at_the_cap(tmp_path):
    data, digest = archive(("zeros.bin", bytes(4_000_000)))
    assert len(data) < 10_000
    with pytest.raises(BundleError) as caught:
        unpack(io.BytesIO(data), digest, tmp_path / "code", max_bytes=1_000_000)
    assert caught.value.code == BundleError.TOO_LARGE
    assert list(tmp_path.iterdir()) == []


def test_too_many_files_are_refused(tmp_path):
    data, digest = archive(*((f"f{index}", b"") for index in range(12)))
    with pytest.raises(BundleError) as caught:
        unpack(io.BytesIO(data), digest, tmp_path / "code", max_files=10)
    assert caught.value.code == BundleError.TOO_LARGE
    assert list(tmp_path.iterdir()) == []


def test_directories_and_the_older_way_of_long_names_are_read(tmp_path):
    raw = io.BytesIO()
    name = "/".join(["part" * 20] * 2)
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folder = tarfile.TarInfo("empty/")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        info = tarfile.TarInfo(name)
        info.size = 700
        tar.addfile(info, io.BytesIO(b"z" * 700))
    data = raw.getvalue()
    target = tmp_path / "code"
    digest = hashlib.sha256(data).hexdigest()
    assert unpack(io.BytesIO(gzip.compress(data)), digest, target) == [name]
    assert (target / name).read_bytes() == b"z" * 700
    assert (target / "empty").is_dir()


@pytest.mark.parametrize(
    "damage",
    [
        lambda tar: tar[:700],
        lambda tar: tar[:1024],
        lambda tar: tar[:100] + b"?" + tar[101:],
        lambda tar: tar.replace(b"a.py", b"b.py", 1),
    ],
    ids=["cut in a file", "no end", "a number", "a name"],
)
def test_a_tar_that_is_not_as_it_was_packed_is_corrupt(damage, tmp_path):
    tar = damage(gzip.decompress(archive(("a.py", b"x" * 300))[0]))
    with pytest.raises(BundleError, match="tar is malformed") as caught:
        unpack(io.BytesIO(gzip.compress(tar)), hashlib.sha256(tar).hexdigest(), tmp_path / "code")
    assert caught.value.code == BundleError.CORRUPT
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_directory_must_be_is_corrupt(tmp_path):
    data, digest = archive(("a", b"x"), ("a/b.py", b"y"))
    with pytest.raises(BundleError) as caught:
        unpack(io.BytesIO(data), digest, tmp_path / "code")
    assert caught.value.code == BundleError.CORRUPT
    assert list(tmp_path.iterdir()) == []


def test_importing_it_needs_the_standard_library_only():
    script = "import sys, limosa.bundle; print([m for m in ('click','rich','grpc','google.protobuf') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    assert Path(sys.modules["limosa.bundle"].__file__).exists()
