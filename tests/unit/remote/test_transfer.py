"""Transfers: nothing sent twice, broken ones repeated, hostile names refused."""

import hashlib
from pathlib import PurePosixPath

import pytest
from fake_admin import FakeAdmin, client_of, serving, store

from limosa.bundle import pack
from limosa.errors import CorruptData, LimosaError
from limosa.remote import ClientTransfer, RemoteError


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr("limosa.remote.transfer._PAUSES_S", (0.0, 0.0))


@pytest.fixture
def rig():
    admin, statuses = FakeAdmin(), []
    with store(admin.uploaded, statuses) as url, serving(admin) as port:
        admin.store_url, admin.statuses = url, statuses
        client = client_of(port)
        transfer = ClientTransfer(client)
        admin.transfer = transfer
        yield admin
        transfer.close()
        client.close()


def puts(admin):
    return sum(1 for method, _, _ in admin.calls if method == "SignUpload")


def test_a_file_goes_by_its_content_and_only_once(rig, tmp_path):
    path = tmp_path / "houses.csv"
    path.write_bytes(b"a,b\n")
    digest = hashlib.sha256(b"a,b\n").hexdigest()
    stored = rig.transfer.upload_file(path, "houses.csv")
    assert stored.uri == f"s3://b/root/uploads/{digest}/houses.csv"
    assert (stored.size, stored.digest) == (4, f"sha256:{digest}")
    rig.statuses.append(500)  # would fail if it were sent again
    assert rig.transfer.upload_file(path, "houses.csv") == stored


def test_a_bundle_tells_whether_it_was_new(rig, tmp_path):
    (tmp_path / "f.py").write_text("x = 1")
    bundle = pack(tmp_path, [PurePosixPath("f.py")])
    assert rig.transfer.upload_bundle(bundle) is True
    assert rig.transfer.upload_bundle(bundle) is False
    assert rig.uploaded[f"/code/{bundle.digest}"] == bundle.path.read_bytes()
    bundle.discard()


def test_a_directory_keeps_its_shape(rig, tmp_path):
    source = tmp_path / "texts"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("A")
    (source / "deep" / "b.txt").write_text("B")
    stored = rig.transfer.upload_directory(source, "texts")
    assert stored.size == 2
    assert stored.uri.endswith("/texts")
    rig.uploaded[stored.uri.removeprefix("s3://b/root") + "-sibling/x"] = b"not ours"
    copy = rig.transfer.download_directory(stored.uri, "texts")
    assert {p.relative_to(copy).as_posix() for p in copy.rglob("*") if p.is_file()} == {"a.txt", "deep/b.txt"}


ODD_NAMES = ["a b.txt", "é.txt", "100%.txt", "a#b?c.txt", "a+b.txt", "%2e.txt", 'q"uote.html', "'; ls"]


@pytest.mark.parametrize("last", ODD_NAMES)
def test_a_directory_keeps_names_that_addresses_write_in_another_way(rig, tmp_path, last):
    source = tmp_path / "my texts"
    (source / "z z").mkdir(parents=True)
    (source / "a.txt").write_text("A")
    (source / "z z" / last).write_text("B")
    stored = rig.transfer.upload_directory(source, "my texts")
    assert stored.uri.endswith("/my%20texts")
    copy = rig.transfer.download_directory(stored.uri, "my texts")
    assert {p.relative_to(copy).as_posix() for p in copy.rglob("*") if p.is_file()} == {
        "a.txt",
        f"z z/{last}",
    }


def test_an_empty_directory_is_refused(rig, tmp_path):
    with pytest.raises(LimosaError, match="has no files"):
        rig.transfer.upload_directory(tmp_path, "x")


def test_failures_that_may_pass_are_repeated_with_a_fresh_address(rig, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x")
    rig.statuses += [503, 500]
    rig.transfer.upload_file(path, "f")
    assert puts(rig) == 3


def test_a_full_store_is_named_and_not_tried_again(rig, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x")
    rig.statuses.append(507)
    with pytest.raises(RemoteError) as caught:
        rig.transfer.upload_file(path, "f")
    assert caught.value.code == RemoteError.TRANSFER
    assert "no space left" in caught.value.message
    assert "free space" in caught.value.remedy
    assert puts(rig) == 1


def test_a_refused_address_points_at_the_clock(rig, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x")
    rig.statuses.append(403)
    with pytest.raises(RemoteError, match="clock"):
        rig.transfer.upload_file(path, "f")


def test_a_download_appears_only_when_complete(rig, tmp_path):
    rig.uploaded["/k"] = b"content"
    target = tmp_path / "out" / "k"
    rig.statuses += [500, 500, 500]
    with pytest.raises(RemoteError):
        rig.transfer.fetch("s3://b/root/k", target)
    assert list(target.parent.iterdir()) == []
    assert rig.transfer.fetch("s3://b/root/k", target).read_bytes() == b"content"
    assert list(target.parent.iterdir()) == [target]


def test_names_that_lead_out_of_the_directory_are_refused(rig, tmp_path):
    rig.uploaded["/d/../../../evil"] = b"x"
    with pytest.raises(LimosaError, match="leads out of the directory"):
        rig.transfer.fetch_directory("s3://b/root/d", tmp_path / "d")
    assert not (tmp_path / "evil").exists()


def test_local_copies_are_made_once_and_removed(rig):
    rig.uploaded["/k"] = b"content"
    first = rig.transfer.download_file("s3://b/root/k", "k.txt")
    assert rig.transfer.download_file("s3://b/root/k", "k.txt") == first
    with rig.transfer.open_file("s3://b/root/k") as stream:
        assert stream.read() == b"content"
    rig.transfer.close()
    assert not first.exists()


def test_a_missing_local_file_is_named(rig, tmp_path):
    with pytest.raises(LimosaError, match="No such file") as caught:
        rig.transfer.upload_file(tmp_path / "gone", "gone")
    assert str(tmp_path / "gone") in caught.value.place


def test_changed_bytes_are_noticed_and_no_file_appears(rig, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"content")
    file, folder = rig.transfer.upload_file(path, "f"), rig.transfer.upload_directory(tmp_path, "d")
    for key in rig.uploaded:
        rig.uploaded[key] = b"CONTENT"
    with pytest.raises(CorruptData, match="their digest is another"):
        rig.transfer.fetch(file.uri, tmp_path / "out" / "f", file.digest)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(CorruptData):
        rig.transfer.download_file(file.uri, "f", file.digest)
    with pytest.raises(CorruptData):
        rig.transfer.download_directory(folder.uri, "d", folder.digest)
    with rig.transfer.open_file(file.uri, file.digest) as stream, pytest.raises(CorruptData):
        stream.read()
