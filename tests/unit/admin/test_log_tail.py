import pathlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limosa_admin.log_tail import LogTail, count_items, select
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.layout import log_key
from limosa_store import Store, StoreSettings, open_store

RUNNING, ENDED = run_pb2.LAUNCH_PHASE_RUNNING, run_pb2.LAUNCH_PHASE_SUCCEEDED


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    return open_store(StoreSettings(url=f"file://{tmp_path}"))


def launch(identifier: str, phase=RUNNING, ordinal: int = 0, created: int = 0, **key) -> run_pb2.Snapshot:
    snapshot = run_pb2.Snapshot(launch=run_pb2.LaunchState(phase=phase, launch_id=identifier))
    snapshot.launch.created_at.FromSeconds(created)
    snapshot.key.node_path, snapshot.key.launch = key.get("node_path", "n0"), ordinal
    if "index" in key:
        snapshot.key.index = key["index"]
    return snapshot


def read(tail: LogTail, *launches: run_pb2.Snapshot) -> str:
    return "".join(chunk.text for chunk in tail.read(launches))


def test_only_whole_lines_until_the_launch_has_ended(store: Store) -> None:
    tail = LogTail(store, "r", 0)
    store.put(log_key("r", "a", 0), "grü".encode()[:3])
    assert read(tail, launch("a")) == ""
    store.put(log_key("r", "a", 1), "grü".encode()[3:] + b"n\nrot")
    assert read(tail, launch("a")) == "grün\n"
    assert read(tail, launch("a")) == ""
    assert read(tail, launch("a", ENDED)) == "rot"
    assert read(tail, launch("a", ENDED)) == ""


def test_bytes_that_are_no_text_are_replaced(store: Store) -> None:
    store.put(log_key("r", "a", 0), b"\xff\xfe\n")
    assert read(LogTail(store, "r", 0), launch("a")) == "\ufffd\ufffd\n"


def test_a_line_without_an_end_is_not_kept_for_ever(store: Store) -> None:
    store.put(log_key("r", "a", 0), b"x" * 600_000)
    tail = LogTail(store, "r", 0)
    assert len(read(tail, launch("a"))) == 600_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.text("ab\n", max_size=8), max_size=6), st.integers(1, 5), st.integers(0, 10**9))
def test_the_last_lines_then_everything_that_follows(
    store: Store, segments: list[str], lines: int, unique: int
) -> None:
    prefix = f"r{unique}-{len(segments)}-{lines}"
    store.delete_prefix(prefix)
    for number, segment in enumerate(segments):
        store.put(log_key(prefix, "a", number), segment.encode())
    tail = LogTail(store, prefix, lines)
    shown = read(tail, launch("a"))
    store.put(log_key(prefix, "a", len(segments)), b"more\n")
    shown += read(tail, launch("a", ENDED))
    expected = "".join(segments).splitlines(keepends=True)[-lines:] if segments else []
    assert shown == "".join(expected) + "more\n"


def test_the_latest_launch_of_each_item_and_those_being_read(store: Store) -> None:
    tail = LogTail(store, "r", 0)
    first = launch("a", index=0)
    other = launch("b", index=1)
    again = launch("c", ordinal=1, index=0)
    assert select([first, other], None, tail) == [first, other]
    assert select([first, again, other], None, tail) == [again, other]
    assert select([first, again, other], 0, tail) == [first, other]
    read(tail, first)
    assert select([first, again, other], None, tail) == [first, again, other]


def test_at_most_so_many_the_newest_first(store: Store) -> None:
    launches = [launch(str(n), created=n, index=n) for n in (3, 1, 2)]
    chosen = select(launches, None, LogTail(store, "r", 0), most=2)
    assert [snapshot.launch.launch_id for snapshot in chosen] == ["3", "2"]
    assert (count_items(launches), count_items(chosen)) == (3, 2)


def test_attempts_of_one_item_count_once(store: Store) -> None:
    assert count_items([launch("a", ordinal=0), launch("b", ordinal=1), launch("c", index=0)]) == 2
