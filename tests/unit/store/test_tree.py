import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limosa_store.tree import ObjectTree

PARTS = st.text(st.sampled_from("ab%./\\é !\x01~"), max_size=6) | st.sampled_from(
    ["a", "b", "..", ".", "", "%file", "a%dir"]
)
KEYS = (
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | PARTS,
        min_size=1,
        max_size=4,
    )
    .map("/".join)
    .filter(bool)
)


def put(tree: ObjectTree, key: str, data: bytes, *, replace: bool = True) -> bool:
    staged = tree.stage()
    staged.write_bytes(data)
    published = tree.publish(staged, key, replace=replace)
    assert not staged.exists()
    return published is not None


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(KEYS, st.binary(max_size=4)), max_size=12), st.data())
def test_a_tree_is_a_sorted_dictionary(
    tmp_path: Path, writes: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    root = tmp_path / os.urandom(8).hex()
    tree, model = ObjectTree(root), dict[str, bytes]()
    for key, body in writes:
        put(tree, key, body)
        model[key] = body
    for key in data.draw(st.lists(st.sampled_from(sorted(model)), max_size=3) if model else st.just([])):
        assert tree.delete(key) == (model.pop(key, None) is not None)
    found = {file.key: file.path.read_bytes() for file in tree.walk()}
    assert found == model
    assert list(found) == sorted(model)
    prefix = data.draw(st.sampled_from(["", *model]).map(lambda key: key[: len(key) // 2]))
    after = data.draw(st.sampled_from(["", *model]))
    expected = [key for key in sorted(model) if key.startswith(prefix) and key > after]
    assert [file.key for file in tree.walk(prefix, after)] == expected
    outside = [path for path in tmp_path.rglob("*") if root not in (path, *path.parents)]
    assert not [path for path in outside if path.parent == tmp_path and path.is_file()]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("p/d/model.bin", "p/d/model.bin"),
        ("a b/ü.txt", "a b/ü.txt"),
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
        ("50%", "50%25"),
        ("a//b/", "a/%empty/b/%empty"),
        ("%staging/x", "%25staging/x"),
        ("tab\t", "tab%09"),
    ],
)
def test_a_key_is_the_path_of_its_file(tmp_path: Path, key: str, path: str) -> None:
    tree = ObjectTree(tmp_path / "root")
    put(tree, key, b"x")
    assert (tmp_path / "root" / path).read_bytes() == b"x"


def test_a_key_that_is_also_a_prefix_keeps_both_whichever_came_first(tmp_path: Path) -> None:
    for number, order in enumerate((["a", "a/b", "a/b/c"], ["a/b/c", "a/b", "a"], ["a/b", "a/b/c", "a"])):
        tree = ObjectTree(tmp_path / str(number))
        for key in order:
            assert put(tree, key, key.encode(), replace=False)
        for key in order:
            assert not put(tree, key, b"again", replace=False)
        assert [file.key for file in tree.walk()] == ["a", "a/b", "a/b/c"]
        assert [file.path.read_bytes() for file in tree.walk()] == [b"a", b"a/b", b"a/b/c"]


def test_files_that_are_no_objects_are_left_alone(tmp_path: Path) -> None:
    tree = ObjectTree(tmp_path)
    put(tree, "a/b", b"")
    for name in ("a/%zz", "%meta", "a/%2e"):
        (tmp_path / name).write_text("foreign")
    assert [file.key for file in tree.walk()] == ["a/b"]


def test_prune_removes_empty_directories_only(tmp_path: Path) -> None:
    tree = ObjectTree(tmp_path)
    for key in ("r/a/b/c", "r/a/d", "r/e/f"):
        put(tree, key, b"")
    tree.delete("r/a/b/c")
    tree.delete("r/e/f")
    tree.prune("r")
    assert sorted(path.name for path in (tmp_path / "r").rglob("*")) == ["a", "d"]


def test_sweep_removes_what_dead_writers_left(tmp_path: Path) -> None:
    tree = ObjectTree(tmp_path)
    old, fresh = tree.stage(), tree.stage()
    old.write_text("x")
    fresh.write_text("x")
    os.utime(old, (0, 0))
    assert tree.sweep() == 1
    assert fresh.exists()
    assert not old.exists()
