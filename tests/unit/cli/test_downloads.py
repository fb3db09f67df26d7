"""Outputs as files: names that cannot leave the directory, bytes that were checked."""

import hashlib
import json

import pytest

from limosa.cli.downloads import Downloads
from limosa.errors import LimosaError
from limosa.types.checked import check
from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, LiteralMap, StructuredDataset
from limosa_model import values


class Store:
    """Serves objects from a dict, as the client's transfer does."""

    def __init__(self, objects):
        self.objects = objects

    def fetch(self, uri, target, digest=""):
        check(uri, f"sha256:{hashlib.sha256(self.objects[uri]).hexdigest()}", digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.objects[uri])
        return target

    def fetch_directory(self, uri, target, digest=""):
        for name in self.objects:
            if name.startswith(uri + "/"):
                self.fetch(name, target / name[len(uri) + 1 :])
        return target


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(uri, name="", data=None, multipart=False):
    literal = Literal(blob=Blob(uri=uri, name=name, multipart=multipart))
    if data is not None:
        literal.digest = digest(data)
    return literal


def fetch(tmp_path, objects, **outputs):
    variables = [Variable(name=name) for name in outputs]
    target = tmp_path / "got"
    paths = Downloads(Store(objects), target).fetch(LiteralMap(literals=outputs), variables)
    return [path.relative_to(target).as_posix() for path in paths], json.loads(
        (target / "outputs.json").read_text()
    )


def test_everything_lands_under_its_outputs_name(tmp_path):
    objects = {"s3://b/m": b"model", "s3://b/t": b"PAR1", "s3://b/d/x": b"1", "s3://b/d/y/z": b"2"}
    paths, plain = fetch(
        tmp_path,
        objects,
        model=blob("s3://b/m", "model.json", b"model"),
        table=Literal(
            structured_dataset=StructuredDataset(uri="s3://b/t", format="parquet"), digest=digest(b"PAR1")
        ),
        folder=blob("s3://b/d", multipart=True),
        many=values.collection([blob("s3://b/m", "a"), blob("s3://b/m", "a")]),
        score=values.float_(0.5),
    )
    assert paths == ["model/model.json", "table.parquet", "folder", "many/0/a", "many/1/a", "outputs.json"]
    assert (tmp_path / "got" / "folder" / "y" / "z").read_bytes() == b"2"
    assert plain["score"] == 0.5
    assert plain["model"] == str(tmp_path / "got" / "model" / "model.json")


@pytest.mark.parametrize("name", ["../../evil", "..", "/etc/passwd", "a\\b", ""])
def test_names_stay_in_the_directory(tmp_path, name):
    fetch(tmp_path, {"s3://b/k": b"x"}, out=blob("s3://b/k", name))
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(found) == 2
    assert all((tmp_path / "got" / "out") in path.parents or path.name == "outputs.json" for path in found)


def test_corrupt_bytes_are_refused_and_removed(tmp_path):
    with pytest.raises(LimosaError) as caught:
        fetch(tmp_path, {"s3://b/k": b"changed"}, out=blob("s3://b/k", "f", b"original"))
    assert caught.value.code == "CorruptData"
    assert caught.value.place == "s3://b/k"
    assert not (tmp_path / "got" / "out" / "f").exists()


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "got").write_text("a file")
    with pytest.raises(LimosaError, match="cannot write there"):
        fetch(tmp_path, {}, out=values.integer(1))


def test_files_of_something_else_are_not_overwritten(tmp_path):
    objects = {"s3://b/k": b"x"}
    fetch(tmp_path, objects, out=blob("s3://b/k", "f", b"x"))
    fetch(tmp_path, objects, out=blob("s3://b/k", "f", b"x"))  # the same again is no harm
    before = (tmp_path / "got" / "outputs.json").read_bytes()
    with pytest.raises(LimosaError, match="other content") as caught:
        fetch(tmp_path, objects, score=values.integer(1))
    assert caught.value.place == str(tmp_path / "got" / "outputs.json")
    assert (tmp_path / "got" / "outputs.json").read_bytes() == before
    with pytest.raises(LimosaError, match="other content"):
        fetch(tmp_path, {"s3://b/j": b"y"}, out=blob("s3://b/j", "f", b"y"))
    assert (tmp_path / "got" / "out" / "f").read_bytes() == b"x"
