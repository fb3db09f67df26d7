"""What people, other software and bad disks do to a run under way: it completes, or fails with a reason that helps."""

import gzip
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flows import write_flows
from platform_rig import runs
from platform_rig.sandbox import DOMAIN, PODS, PROJECT, RUNS, Sandbox
from platform_rig.waiting import wait_for
from referee import COMMITTED, STARTED, Referee, judge
from undisturbed import Undisturbed, assert_as_undisturbed

from limosa.remote import RemoteError
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER
from limosa_model.layout import commit_key, run_prefix
from limosa_store import ErrorCode, StoreError

GARBAGE = b"\xff\xfe\xfd not what was written"
FULL_BYTES = 512 * 1024


def uid_of(sandbox: Sandbox, name: str) -> str:
    with sandbox.client() as client:
        return client.get_run(name).run.uid


def await_events(referee: Referee, uid: str, what: str, count: int) -> None:
    wait_for(lambda: [event.what for event in referee.events(uid)].count(what) >= count)


def end_of(sandbox: Sandbox, name: str) -> runs.Ended:
    with sandbox.client() as client:
        return runs.await_end(client, name)


def test_a_run_outlives_its_object(
    hurt: Sandbox, flows: Path, referee: Referee, undisturbed: Undisturbed
) -> None:
    """`kubectl delete wfr` of a run that admin wants."""
    name = runs.submit(hurt, flows, "many", {"x": 1})
    uid = uid_of(hurt, name)
    await_events(referee, uid, COMMITTED, 3)
    status, answer = hurt.kube("DELETE", f"{RUNS}/{name}")
    assert status == 200, answer
    ended = end_of(hurt, name)
    assert_as_undisturbed(hurt, ended, undisturbed, referee, relaunched=True)


def test_a_run_outlives_its_cluster(
    hurt: Sandbox, flows: Path, referee: Referee, undisturbed: Undisturbed
) -> None:
    """The cluster and all its objects are lost; its pods go on for as long as nobody ends them."""
    name = runs.submit(hurt, flows, "many", {"x": 1})
    uid = uid_of(hurt, name)
    await_events(referee, uid, COMMITTED, 3)
    hurt.kill()
    shutil.rmtree(hurt.home / "cluster")
    hurt.start()
    environ = {**os.environ, "LIMOSA_DATABASE_URL": hurt.state()["database_url"]}
    command = [sys.executable, "-m", "limosa_admin", "cluster", "lost", "sandbox"]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    ended = end_of(hurt, name)
    assert_as_undisturbed(hurt, ended, undisturbed, referee)
    epochs = {event.epoch for event in referee.events(uid)}
    assert epochs == {"1.1", "1.2"}


@pytest.mark.parametrize("options", [None, {"gracePeriodSeconds": 0}], ids=["gracefully", "at-once"])
def test_a_deleted_pod_is_the_platform_s_failure(
    hurt: Sandbox, flows: Path, referee: Referee, options: dict[str, int] | None
) -> None:
    name = runs.submit(hurt, flows, "one", {"x": 1, "ms": 1500})
    uid = uid_of(hurt, name)
    await_events(referee, uid, STARTED, 1)
    (pod,) = hurt.objects(PODS)
    status, answer = hurt.kube("DELETE", f"{PODS}/{pod['metadata']['name']}", options)
    assert status == 200, answer
    ended = end_of(hurt, name)
    assert ended.phase == "SUCCEEDED", ended.failure
    assert list(runs.outputs(hurt, name).values()) == [2]
    assert judge(referee.events(uid)) == []
    with hurt.client() as client:
        (node,) = [one.node for one in client.get_run(name).snapshots if one.WhichOneof("state") == "node"]
    assert (node.launches, node.system_failures, node.user_failures) == (2, 1, 0)


@pytest.mark.parametrize(
    "bytes_", [GARBAGE, gzip.compress(bytes(10_240))], ids=["no-archive", "another-archive"]
)
def test_a_corrupt_code_bundle_is_named(
    hurt: Sandbox, referee: Referee, tmp_path: Path, bytes_: bytes
) -> None:
    # Other bytes than any other test's, so that only this one's bundle is spoiled.
    file = write_flows(tmp_path / "project", referee.address, {"UNIQUE": str(tmp_path)})
    store, prefix = hurt.store(), f"{PROJECT}/{DOMAIN}/code/"
    before = {info.key for info in store.list(prefix)}
    assert runs.run(hurt, file, "one", {"x": 1, "ms": 0}).phase == "SUCCEEDED"
    (key,) = {info.key for info in store.list(prefix)} - before
    store.put(key, bytes_)
    ended = runs.run(hurt, file, "one", {"x": 1, "ms": 0})
    assert ended.phase == "FAILED"
    assert (ended.failure.kind, ended.failure.code) == (FAILURE_KIND_USER, "BundleCorrupt")
    assert key in ended.failure.message


def test_a_corrupt_graph_is_named(hurt: Sandbox, referee: Referee, tmp_path: Path) -> None:
    file = write_flows(tmp_path / "project", referee.address, {"UNIQUE": str(tmp_path)})
    store, prefix = hurt.store(), f"{PROJECT}/{DOMAIN}/closures/"
    before = {info.key for info in store.list(prefix)}
    # An operator that has read the graph once keeps it.
    with hurt.paused("operator"):
        name = runs.submit(hurt, file, "large")
        (key,) = {info.key for info in store.list(prefix)} - before
        graph = store.get(key)
        store.put(key, GARBAGE)
    ended = end_of(hurt, name)
    assert ended.phase == "FAILED"
    assert (ended.failure.kind, ended.failure.code) == (FAILURE_KIND_SYSTEM, "CorruptData")
    assert Path(key).stem in ended.failure.message
    store.put(key, graph)
    ended = runs.run(hurt, file, "large")
    assert ended.phase == "SUCCEEDED", ended.failure
    assert list(runs.outputs(hurt, ended.name).values()) == [300_000]


def test_a_corrupt_commit_is_named(hurt: Sandbox, flows: Path, referee: Referee) -> None:
    name = runs.submit(hurt, flows, "pair", {"x": 1, "ms": 1500})
    uid = uid_of(hurt, name)
    await_events(referee, uid, STARTED, 1)
    key = commit_key(run_prefix(PROJECT, DOMAIN, name, uid), "n1", None)
    hurt.store().put(key, GARBAGE)
    ended = end_of(hurt, name)
    assert ended.phase == "FAILED"
    assert (ended.failure.kind, ended.failure.code) == (FAILURE_KIND_SYSTEM, "CorruptData")
    assert key in ended.failure.message
    assert [event.item for event in referee.events(uid) if event.what == STARTED] == ["n0"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process can be set on Linux only")
def test_a_full_disk_is_said_and_waited_for(
    hurt: Sandbox, flows: Path, referee: Referee, tmp_path: Path
) -> None:
    name = runs.submit(hurt, flows, "filed", {"size": 4 * FULL_BYTES})
    hurt.limit_file_sizes("storage", FULL_BYTES)
    try:
        with pytest.raises(StoreError) as told:
            hurt.store().put("full", bytes(2 * FULL_BYTES))
        assert told.value.code is ErrorCode.NO_SPACE
        (tmp_path / "file").write_bytes(bytes(2 * FULL_BYTES))
        refused = runs.try_limosa(
            hurt, "run", "--remote", str(flows), "uploaded", "--file", str(tmp_path / "file")
        )
        assert refused.returncode != 0
        assert "full" in refused.stderr
    finally:
        hurt.limit_file_sizes("storage", resource.RLIM_INFINITY)
    ended = end_of(hurt, name)
    assert ended.phase == "SUCCEEDED", ended.failure
    assert list(runs.outputs(hurt, name).values()) == [4 * FULL_BYTES]
    assert judge(referee.events(ended.uid)) == []
    assert runs.run(hurt, flows, "uploaded", {"file": str(tmp_path / "file")}).phase == "SUCCEEDED"


@pytest.mark.parametrize("token", ["", "not-a-token"])
def test_without_a_valid_token_nothing_is_told(hurt: Sandbox, token: str) -> None:
    with hurt.client(token) as client:
        calls = (
            lambda: list(client.list_runs()),
            lambda: client.get_run("any"),
            lambda: client.abort_run("any", "why"),
        )
        for call in calls:
            with pytest.raises(RemoteError) as refused:
                call()
            assert refused.value.code == RemoteError.UNAUTHENTICATED
