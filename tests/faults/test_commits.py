"""What may happen to the one write that makes a result, over the S3 API: exactly one result, and its writer knows it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_wire import BadWire, Fault, bad_wire

from limosa.runtime.commit import CommitSlot
from limosa.runtime.outcome import Committed, Superseded
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit, TerminationRecord
from limosa_model.layout import run_prefix
from limosa_model.pod_contract import PodEnvironment, decode_termination, encode_termination
from limosa_model.values import integer
from limosa_store import ErrorCode, Store, StoreError, StoreSettings, open_store

PREFIX = run_prefix("demo", "development", "run", "uid")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("s3")
    (folder / "keys.json").write_text(json.dumps([{"access_key": "AK", "secret_key": "SECRET"}]))
    command = [
        *(sys.executable, "-m", "limosa_sandbox.s3", "--root", str(folder / "objects")),
        *("--credentials", str(folder / "keys.json"), "--bucket", "limosa", "--until-eof"),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.stdin.close()
        process.wait(10)


@pytest.fixture
def wire(endpoint: str) -> Iterator[BadWire]:
    with bad_wire(endpoint) as found:
        yield found


def store_at(url: str, root: Path, **more: float) -> Store:
    """A tenant of its own for each test: the endpoint is shared."""
    where = f"s3://limosa/{root.name}"
    return open_store(StoreSettings(where, endpoint=url, access_key="AK", secret_key="SECRET", **more))  # type: ignore[arg-type]


def slot(store: Store, launch: int) -> CommitSlot:
    """Of n0, as its launch of that ordinal sees it."""
    pod = PodEnvironment(
        run_uid="uid",
        run_name="run",
        project="demo",
        domain="development",
        node_path="n0",
        index=None,
        launch=launch,
        launch_id=f"launch-{launch}",
        epoch="1.1",
        task="flow.f",
        loader="flow:f",
        bundle="",
        python_version="3.11",
        storage_root="",
        input_digest="sha256:0",
        inputs=LiteralMap(),
        termination_path="",
    )
    return CommitSlot(store, pod, PREFIX, "test")


def outputs(value: int) -> LiteralMap:
    return LiteralMap(literals={"o0": integer(value)})


def committed(store: Store, place: CommitSlot) -> tuple[str, int]:
    """By whom, and what."""
    commit = Commit.FromString(store.get(place.key))
    return commit.launch_id, commit.inline.literals["o0"].primitive.integer


@pytest.mark.parametrize("fault", ["refused", "slow", "cut-in-request", "cut-before-answer"])
def test_a_commit_that_meets_trouble_is_still_known_as_its_own(
    wire: BadWire, endpoint: str, tmp_path: Path, fault: Fault
) -> None:
    wire.faults.extend([fault, fault])
    place = slot(store_at(wire.url, tmp_path), 0)
    told = place.write(outputs(1))
    assert isinstance(told, Committed), told
    assert wire.met[0] == fault
    assert committed(store_at(endpoint, tmp_path), place) == ("launch-0", 1)


def test_a_store_that_keeps_refusing_is_an_outage_that_may_pass(wire: BadWire, tmp_path: Path) -> None:
    wire.faults.extend(["refused"] * 50)
    with pytest.raises(StoreError) as told:
        slot(store_at(wire.url, tmp_path, max_retries=2, retry_timeout_s=5.0), 0).write(outputs(1))
    assert told.value.code is ErrorCode.UNREACHABLE
    assert told.value.retryable


def test_a_zombie_that_commits_after_its_successor_is_superseded(endpoint: str, tmp_path: Path) -> None:
    store = store_at(endpoint, tmp_path)
    zombie, successor = slot(store, 0), slot(store, 1)
    assert zombie.read() is None
    assert isinstance(successor.write(outputs(2)), Committed)
    assert isinstance(zombie.write(outputs(1)), Superseded)
    assert committed(store, zombie) == ("launch-1", 2)


def test_a_zombie_whose_first_try_was_cut_does_not_win_later(
    wire: BadWire, endpoint: str, tmp_path: Path
) -> None:
    """It retries over the successor's commit."""
    wire.faults.append("cut-in-request")
    zombie, successor = slot(store_at(wire.url, tmp_path), 0), slot(store_at(endpoint, tmp_path), 1)
    written = threading.Event()
    passed_on = wire.met

    class WatchedFaults(type(passed_on)):  # type: ignore[misc]
        def append(self, fault: Fault) -> None:
            super().append(fault)
            assert isinstance(successor.write(outputs(2)), Committed)
            written.set()

    wire.met = WatchedFaults()
    assert isinstance(zombie.write(outputs(1)), Superseded)
    assert written.is_set()
    assert committed(store_at(endpoint, tmp_path), zombie) == ("launch-1", 2)


def test_a_last_word_that_was_cut_or_changed_counts_as_absent() -> None:
    good = encode_termination(TerminationRecord(launch_id="launch-0", outputs=outputs(7)))
    assert decode_termination(good) is not None
    for end in range(len(good)):
        assert decode_termination(good[:end]) is None
    for at in range(len(good)):
        other = good[:at] + ("z" if good[at] != "z" else "y") + good[at + 1 :]
        assert decode_termination(other) is None
