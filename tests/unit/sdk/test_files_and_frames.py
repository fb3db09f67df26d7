"""Values whose bytes lie elsewhere: files, directories and frames."""

import datetime as dt
import hashlib
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from limosa import Directory, File, LimosaError
from limosa.errors import CorruptData
from limosa.local import LocalTransfer
from limosa.local.transfer import local_path
from limosa.types import literal_type, to_literal, to_python
from limosa.types.offloaded import OFFLOAD_BYTES, offload
from limosa.types.transfer import NoTransfer
from limosa_model.types import assignable, describe


@pytest.fixture
def transfer(tmp_path):
    return LocalTransfer(tmp_path / ".limosa" / "data", tmp_path / "scratch")


@pytest.mark.parametrize("kind", [File, Directory])
@pytest.mark.parametrize("address", ["s3://b/k", Path("s3://b/k"), "https://host/k", "file:///tmp/k"])
def test_an_address_is_no_path_and_says_how_to_hand_it_on(kind, address):
    with pytest.raises(LimosaError, match=f"{kind.__name__}.. takes the path of a local") as refused:
        kind(address)
    assert (refused.value.code, Path(__file__).name in refused.value.place) == ("AddressNotPath", True)
    assert f"as an input of type {kind.__name__}" in refused.value.remedy


def test_paths_with_colons_are_paths(tmp_path):
    for path in ("a:b/c", "a.b:/c", tmp_path / "x:" / "y"):
        assert File(path).path == str(path)


def test_a_file_is_stored_with_what_a_person_needs(transfer, tmp_path):
    path = tmp_path / "houses.csv"
    path.write_text("a,b\n1,2\n")
    literal = to_literal(File(path), File, transfer)
    blob = literal.blob
    assert (blob.name, blob.format, blob.size, blob.multipart) == ("houses.csv", "csv", 8, False)
    assert literal.digest == "sha256:" + hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    path.unlink()
    file = to_python(literal, File, transfer)
    assert file.name == "houses.csv"
    assert file.open("rb").read() == b"a,b\n1,2\n"
    assert list(file.open()) == ["a,b\n", "1,2\n"]
    assert pd.read_csv(file.path).to_dict("list") == {"a": [1], "b": [2]}


def test_equal_content_has_an_equal_digest(transfer, tmp_path):
    digests = set()
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("same")
        digests.add(to_literal(File(tmp_path / name), File, transfer).digest)
    assert len(digests) == 1


def test_a_received_file_is_handed_on_without_moving_it(transfer, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    literal = to_literal(File(tmp_path / "a.txt"), File, transfer)
    literal.blob.uri = "s3://bucket/a.txt"
    received = to_python(literal, File, transfer)
    assert to_literal(received, File, NoTransfer("the file", "")) == literal


def test_a_result_of_a_local_run_is_stored_anew_for_another_side(transfer, tmp_path):
    class OtherSide(LocalTransfer):
        pass

    (tmp_path / "a.txt").write_text("x")
    received = to_python(to_literal(File(tmp_path / "a.txt"), File, transfer), File, transfer)
    again = to_literal(received, File, OtherSide(tmp_path / "other", tmp_path / "scratch"))
    assert again.blob.uri.startswith((tmp_path / "other").as_uri())
    assert again.blob.name == "a.txt"


def test_a_directory_keeps_its_tree(transfer, tmp_path):
    source = tmp_path / "texts"
    (source / "inner").mkdir(parents=True)
    (source / "a.txt").write_text("1")
    (source / "inner" / "b ü.txt").write_text("22")
    literal = to_literal(Directory(source), Directory, transfer)
    assert (literal.blob.multipart, literal.blob.size, literal.blob.name) == (True, 3, "texts")
    path = to_python(literal, Directory, transfer).path
    assert Path(path).name == "texts"
    assert (Path(path) / "inner" / "b ü.txt").read_text() == "22"


BAD_PATHS = [
    (
        File,
        "nowhere.txt",
        "the file {root}/nowhere.txt does not exist; write the file before it is passed on",
    ),
    (File, ".", "the file {root} is a directory; use Directory"),
    (
        Directory,
        "nowhere",
        "the directory {root}/nowhere does not exist; write the directory before it is passed on",
    ),
    (Directory, "a.txt", "the directory {root}/a.txt is a file; use File"),
]


@pytest.mark.parametrize(("kind", "name", "expected"), BAD_PATHS)
def test_says_what_is_wrong_with_a_path(transfer, tmp_path, kind, name, expected):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(LimosaError) as caught:
        to_literal(kind(tmp_path / name), kind, transfer)
    assert str(caught.value) == expected.format(root=tmp_path)


def test_a_relative_path_says_where_it_was_looked_for(transfer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LimosaError) as caught:
        to_literal(File("a.csv"), File, transfer)
    assert str(caught.value) == (
        f"the file a.csv does not exist; write the file before it is passed on; it was looked for at {tmp_path}/a.csv"
    )


def test_a_file_is_not_opened_for_writing(tmp_path):
    with pytest.raises(
        ValueError, match="opened for reading, not with mode 'w'; to write, make a new local file"
    ):
        File(tmp_path / "a.txt").open("w")


def test_a_frame_keeps_types_and_index(transfer):
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "x": [0.5, None],
            "s": ["a", "b"],
            "t": pd.to_datetime(["2020-01-01", "2021-01-01"], utc=True),
        },
        index=pd.Index(["r1", "r2"], name="row"),
    )
    literal = to_literal(frame, pd.DataFrame, transfer)
    dataset = literal.structured_dataset
    assert (dataset.rows, dataset.format) == (2, "parquet")
    assert [column.name for column in dataset.columns] == ["n", "x", "s", "t", "row"]
    assert literal.digest.startswith("sha256:")
    pd.testing.assert_frame_equal(to_python(literal, pd.DataFrame, transfer), frame)


def test_a_frame_is_read_as_a_table_and_back(transfer):
    table = pa.table({"n": [1, 2], "when": [dt.datetime(2020, 1, 1), None]})
    literal = to_literal(table, pa.Table, transfer)
    assert to_python(literal, pa.Table, transfer).equals(table)
    assert list(to_python(literal, pd.DataFrame, transfer).n) == [1, 2]
    assert assignable(literal_type(pa.Table), literal_type(pd.DataFrame)) is None


BAD_FRAMES = [
    (pd.DataFrame({0: [1]}), "column name 0 is no str; Parquet needs names; rename the columns: "),
    (pd.DataFrame({"mixed": [1, "a"]}), "the frame does not fit Parquet: "),
    ([1], "expected pandas.DataFrame, got list [1]"),
]


@pytest.mark.parametrize(("value", "expected"), BAD_FRAMES, ids=["column", "mixed", "list"])
def test_says_what_is_wrong_with_a_frame(transfer, value, expected):
    with pytest.raises(LimosaError) as caught:
        to_literal(value, pd.DataFrame, transfer)
    assert str(caught.value).startswith(expected)


def test_a_damaged_frame_says_so(transfer, tmp_path):
    literal = to_literal(pd.DataFrame({"a": [1]}), pd.DataFrame, transfer)
    Path(literal.structured_dataset.uri[len("file://") :]).write_bytes(b"not parquet")
    with pytest.raises(CorruptData, match="their digest is another"):
        to_python(literal, pd.DataFrame, transfer)
    literal.digest = ""  # as of an object that nobody of ours has written
    with pytest.raises(LimosaError, match="is no readable Parquet file"):
        to_python(literal, pd.DataFrame, transfer)


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "read",
    [
        lambda file: file.path,
        lambda file: Path(file).read_bytes(),
        lambda file: file.open("rb").read(),
        lambda file: list(file.open()),
        lambda file: list(iter(lambda stream=file.open("rb"): stream.read(7), b"")),
    ],
    ids=["path", "Path()", "whole", "lines", "pieces"],
)
def test_changed_bytes_of_a_file_are_noticed(transfer, tmp_path, read):
    path = tmp_path / "a.txt"
    path.write_text("value\n" * 30_000)
    literal = to_literal(File(path), File, transfer)
    read(to_python(literal, File, LocalTransfer(tmp_path / ".limosa" / "data", tmp_path / "other")))
    _flip(local_path(literal.blob.uri))
    with pytest.raises(CorruptData, match="are not those that were written") as caught:
        read(to_python(literal, File, transfer))
    assert caught.value.place == literal.blob.uri


def test_a_part_of_a_stream_and_one_read_out_of_order_have_no_digest(transfer, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(range(256)) * 1000)
    literal = to_literal(File(path), File, transfer)
    kept = local_path(literal.blob.uri)
    _flip(kept)
    stream = to_python(literal, File, transfer).open("rb")
    assert stream.read(1000) == kept.read_bytes()[:1000]
    assert stream.seek(-5, 2) == 255_995
    assert stream.read() == kept.read_bytes()[-5:]
    assert stream.seek(3) == 3
    assert stream.read(4) == bytes([3, 4, 5, 6])
    stream.close()


@pytest.mark.parametrize("change", ["changed", "lost", "added"])
def test_changed_members_of_a_directory_are_noticed(transfer, tmp_path, change):
    source = tmp_path / "texts"
    (source / "deep").mkdir(parents=True)
    (source / "deep.txt").write_text("A")
    (source / "deep" / "b c.txt").write_text("B")
    (source / "link").symlink_to(source / "deep")
    literal = to_literal(Directory(source), Directory, transfer)
    whole = Path(to_python(literal, Directory, LocalTransfer(None, tmp_path / "other")).path)
    assert (whole / "link" / "b c.txt").read_text() == "B"
    kept = local_path(literal.blob.uri)
    if change == "changed":
        _flip(kept / "deep" / "b c.txt")
    elif change == "lost":
        (kept / "deep.txt").unlink()
    else:
        (kept / "more").touch()
    with pytest.raises(CorruptData):
        _ = to_python(literal, Directory, transfer).path


def test_what_is_kept_of_runs_is_no_part_of_the_folder_they_read(tmp_path):
    project = tmp_path / "project"
    (project / "deep" / ".limosa").mkdir(parents=True)
    (project / "a.txt").write_text("a")
    given = LocalTransfer(None, tmp_path / "scratch")
    literal = to_literal(Directory(project), Directory, given)
    (project / ".limosa").mkdir()
    (project / ".limosa" / "log").write_text("written by the run")
    (project / "deep" / ".limosa" / "log").write_text("likewise")
    seen = Path(to_python(literal, Directory, given).path)
    assert sorted(path.name for path in seen.rglob("*") if path.is_file()) == ["a.txt"]


@pytest.mark.parametrize("read", [lambda value: value.path, lambda value: value.open("rb").read()])
def test_a_person_s_own_file_that_changed_is_no_fault_of_the_store(tmp_path, read):
    source = tmp_path / "a.txt"
    source.write_text("a")
    given = LocalTransfer(None, tmp_path / "scratch")
    literal = to_literal(File(source), File, given)
    source.write_text("b")
    with pytest.raises(LimosaError, match="changed after the run began") as caught:
        read(to_python(literal, File, given))
    assert (caught.value.code, str(source) in caught.value.message) == ("InputChanged", True)


def test_a_folder_that_changed_names_the_file(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "old.txt").write_text("a")
    os.utime(folder / "old.txt", (1, 1))
    given = LocalTransfer(None, tmp_path / "scratch")
    literal = to_literal(Directory(folder), Directory, given)
    (folder / "new.txt").write_text("b")
    with pytest.raises(LimosaError, match=r"changed after the run began \(changed last: new\.txt\)"):
        _ = to_python(literal, Directory, given).path


def test_a_large_value_is_stored_by_itself_and_checked(transfer):
    small, large = to_literal("a", str, transfer), to_literal(list(range(OFFLOAD_BYTES)), list[int], transfer)
    assert offload(small, "o0", transfer) == small
    reference = offload(large, "o0", transfer)
    assert reference.offloaded.length == OFFLOAD_BYTES
    assert to_python(reference, list[int], transfer) == list(range(OFFLOAD_BYTES))
    reference.offloaded.digest = "sha256:00"
    with pytest.raises(LimosaError, match="their digest is another"):
        to_python(reference, list[int], transfer)


def test_a_file_that_lies_elsewhere(transfer):
    literal = to_literal(File(__file__), File, transfer)
    literal.blob.uri = "s3://bucket/a.csv"
    with pytest.raises(LimosaError, match=r"s3://bucket/a\.csv does not lie on this machine"):
        _ = to_python(literal, File, transfer).path


def test_names_for_people():
    assert describe(literal_type(pd.DataFrame)) == "Dataset"
    assert [describe(literal_type(kind)) for kind in (File, Directory, list[File])] == [
        "File",
        "Directory",
        "list[File]",
    ]
    assert repr(File("a.txt")) == "File('a.txt')"
