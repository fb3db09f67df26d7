"""What a pod says of data that went with the run that made it."""

import pytest

from limosa.render.remedies import remedy_of_failure
from limosa.runtime.outcome import LaunchFailed
from limosa.runtime.transfer import LaunchTransfer
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, LiteralMap
from limosa_store import StoreError, StoreSettings, open_store

RUN = "demo/development/runs/x1.c8f80175"
OWN = "demo/development/runs/x3.46d4dc8a/launches/l0/data"
READS = {
    "open": lambda transfer, uri, digest: transfer.open_file(uri, digest),
    "file": lambda transfer, uri, digest: transfer.download_file(uri, "o.txt", digest),
    "directory": lambda transfer, uri, digest: transfer.download_directory(uri, "o", digest),
}


@pytest.fixture
def store(tmp_path):
    return open_store(StoreSettings(f"file://{tmp_path}/objects"))


@pytest.fixture
def transfer(store, tmp_path):
    (tmp_path / "scratch").mkdir()
    return LaunchTransfer(store, OWN, tmp_path / "scratch")


@pytest.mark.parametrize("digest", ["", "sha256:00"])
@pytest.mark.parametrize("how", READS)
def test_the_run_that_was_deleted_is_named_with_the_remedy(store, transfer, how: str, digest: str) -> None:
    uri = store.uri(f"{RUN}/launches/l/data/0/o")
    transfer.name_inputs(LiteralMap(literals={"f": Literal(blob=Blob(uri=uri))}))
    with pytest.raises(LaunchFailed) as failed:
        READS[how](transfer, uri, digest)
    failure = failed.value.failure
    assert failure.message == f"input 'f': {uri} is gone: run 'x1', which made it, was deleted"
    assert remedy_of_failure(failure).startswith("Have it made again: limosa resume RUN --from NODE")
    assert (failure.code, failure.retryable) == ("RunDeleted", False)


def test_what_is_missing_of_a_run_that_is_there_is_the_stores_fault(store, transfer) -> None:
    store.put(f"{RUN}/commits/n0.pb", b"commit")
    with pytest.raises(StoreError, match="no object"):
        transfer.download_file(store.uri(f"{RUN}/launches/l/data/0/o"), "o.txt", "sha256:00")


def test_what_no_run_made_was_no_runs(store, transfer) -> None:
    with pytest.raises(LaunchFailed, match="there is no object"):
        transfer.download_file(store.uri("demo/development/uploads/ab/o.txt"), "o.txt")
