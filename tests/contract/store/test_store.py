import io
import os
import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from limosa_store import ErrorCode, Store, StoreError, probe_conditional_writes

ODD_KEYS = [
    "a b",
    "ü/ß",
    "50%/x#y?z",
    "plus+and&amp=;",
    "q'\"<>`^{}|~*[]",
    "emoji-\U0001f426",
    "dot.dir/..x",
    "%41/%2F",
]


def keys(store: Store, prefix: str = "", start_after: str | None = None) -> list[str]:
    return [info.key for info in store.list(prefix, start_after=start_after)]


def test_what_was_put_is_read_back(store: Store) -> None:
    store.put("p/d/x", b"one")
    assert store.get("p/d/x") == b"one"
    store.put("p/d/x", b"two!")
    assert store.get("p/d/x") == b"two!"
    info = store.head("p/d/x")
    assert info is not None
    assert (info.key, info.size) == ("p/d/x", 4)


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.put("empty", b"")
    assert store.get("empty") == b""
    assert store.get_range("empty", 0, 10) == b""
    info = store.head("empty")
    assert info is not None
    assert info.size == 0
    with store.open_reader("empty") as reader:
        assert reader.read() == b""


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_may_hold_odd_characters(store: Store, key: str) -> None:
    store.put(key, key.encode())
    assert store.get(key) == key.encode()
    assert keys(store) == [key]
    assert store.key(store.uri(key)) == key


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "a/../b", "./a", "a\nb", "a\0b", "x" * 2000, "\ud800"]
)
def test_keys_that_not_every_store_can_hold_are_refused(store: Store, key: str) -> None:
    with pytest.raises(StoreError) as caught:
        store.put(key, b"")
    assert caught.value.code is ErrorCode.INVALID_KEY
    assert not caught.value.retryable


def test_an_absent_object_is_told_by_its_code(store: Store) -> None:
    assert store.head("nope/x") is None
    for read in (store.get, store.open_reader, lambda key: store.get_range(key, 0, 1)):
        with pytest.raises(StoreError) as caught:
            read("nope/x")
        assert caught.value.code is ErrorCode.NOT_FOUND
        assert "nope/x" in caught.value.message
    store.delete("nope/x")


def test_ranges(store: Store) -> None:
    store.put("r", b"0123456789")
    assert store.get_range("r", 2, 3) == b"234"
    assert store.get_range("r", 8, 100) == b"89"
    assert store.get_range("r", 10, 5) == b""
    assert store.get_range("r", 99, 5) == b""
    assert store.get("r", limit=4) == b"0123"
    assert store.get("r", limit=100) == b"0123456789"


def test_a_reader_seeks(store: Store) -> None:
    store.put("r", b"0123456789")
    with store.open_reader("r") as reader:
        assert reader.read(3) == b"012"
        assert reader.seek(-2, io.SEEK_END) == 8
        assert reader.read() == b"89"
        reader.seek(0)
        assert reader.readlines() == [b"0123456789"]


def test_bodies_may_be_files_paths_and_iterators(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"from a path")
    store.put("path", path)
    with path.open("rb") as file:
        store.put("file", file)
    store.put("pieces", iter([b"a", b"", b"bc"]))
    store.put("view", memoryview(b"xview")[1:])
    assert [store.get(key) for key in ("path", "file", "pieces", "view")] == [
        b"from a path",
        b"from a path",
        b"abc",
        b"view",
    ]


def test_a_body_that_fails_leaves_no_object(store: Store) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 1000
        raise RuntimeError("the source broke")

    with pytest.raises((RuntimeError, StoreError)):
        store.put("broken", pieces())
    assert store.head("broken") is None
    assert keys(store) == []


def test_large_bodies_stream_in_flat_memory(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "large"
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for number in range(96):
            file.write(number.to_bytes(4, "big") + block)
    before = _peak_bytes()
    store.put("large", path)
    with store.open_reader("large") as reader, path.open("rb") as original:
        while piece := original.read(1 << 20):
            assert reader.read(len(piece)) == piece
    assert _peak_bytes() - before < 80 << 20


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def test_put_if_absent_creates_once(store: Store) -> None:
    assert store.put_if_absent("commits/n1.pb", b"first") is True
    assert store.put_if_absent("commits/n1.pb", b"second") is False
    assert store.get("commits/n1.pb") == b"first"
    store.delete("commits/n1.pb")
    assert store.put_if_absent("commits/n1.pb", b"third") is True


def test_of_many_writers_one_creates(store: Store) -> None:
    with ThreadPoolExecutor(12) as pool:
        for round_number in range(10):
            key = f"race/{round_number}"
            bodies = [f"writer {number}".encode() for number in range(12)]
            won = list(pool.map(lambda body, key=key: store.put_if_absent(key, body), bodies))
            assert won.count(True) == 1
            assert store.get(key) == bodies[won.index(True)]


def test_a_key_may_be_an_object_and_a_prefix(store: Store) -> None:
    assert store.put_if_absent("c/n", b"outer")
    assert store.put_if_absent("c/n/m", b"inner")
    assert store.put_if_absent("c/k/m", b"inner")
    assert store.put_if_absent("c/k", b"outer")
    assert not store.put_if_absent("c/k", b"again")
    store.put("c/k", b"replaced")
    expected = {"c/n": b"outer", "c/n/m": b"inner", "c/k/m": b"inner", "c/k": b"replaced"}
    assert {key: store.get(key) for key in expected} == expected
    for key in expected:
        store.delete(key)
        assert store.head(key) is None


def test_lists_are_in_key_order_and_by_whole_parts(store: Store) -> None:
    names = ["a!", "a/b", "a/c/d", "ab", "b/1", "b/10", "b/2", "é", "\U0001f426", "z"]
    for name in reversed(names):
        store.put(name, b"")
    assert keys(store) == sorted(names)
    assert keys(store, "a") == ["a/b", "a/c/d"]
    assert keys(store, "a/") == ["a/b", "a/c/d"]
    assert keys(store, "b", "b/1") == ["b/10", "b/2"]
    assert keys(store, "nothing") == []


def test_lists_go_over_pages(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(f"many/{number:05d}", b""), range(1100)))
    found = keys(store, "many")
    assert found == [f"many/{number:05d}" for number in range(1100)]
    assert store.delete_prefix("many") == 1100
    assert keys(store, "many") == []


def test_delete_prefix_leaves_neighbours(store: Store) -> None:
    for name in ("r/a/1", "r/a/2/3", "r/ab", "s"):
        store.put(name, b"")
    assert store.delete_prefix("r/a") == 2
    assert keys(store) == ["r/ab", "s"]
    store.put("r/a/1", b"again")
    assert keys(store, "r/a") == ["r/a/1"]


def test_equal_etags_mean_equal_content(store: Store) -> None:
    store.put("e", b"aaaa")
    first = store.head("e")
    assert first == store.head("e")
    store.put("e", b"bbbb")
    second = store.head("e")
    assert first is not None
    assert second is not None
    assert first.etag != second.etag
    assert [info.etag for info in store.list("")] == [second.etag]


def test_uris_outside_the_root_are_not_ours(store: Store) -> None:
    assert store.key(store.uri("a/b c")) == "a/b c"
    for uri in ("s3://other/contract/a", "file:///elsewhere/a", "https://example.org/a", "a/b", ""):
        assert store.key(uri) is None


def test_conditional_writes_hold(store: Store) -> None:
    assert probe_conditional_writes(store) is None
    assert keys(store) == []
