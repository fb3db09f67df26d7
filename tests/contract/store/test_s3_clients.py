"""What only S3 has: signed URLs, and that other clients see the same objects."""

import os
import time
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.config import Config

from limosa_store import ErrorCode, Store, StoreError, open_store, probe_conditional_writes


@pytest.fixture
def boto(s3_store: Store) -> Any:
    settings = s3_store.settings
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        region_name=settings.region,
        config=Config(retries={"total_max_attempts": 1}),
    )


def bucket_and_root(store: Store) -> tuple[str, str]:
    bucket, _, root = store.settings.url.removeprefix("s3://").partition("/")
    return bucket, root


def fetch(url: str, data: bytes | None = None, method: str = "GET") -> bytes:
    request = urllib.request.Request(url, data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize("key", ["plain/key", "odd ü%+&=?#/x y"])
def test_boto3_sees_the_same_objects(s3_store: Store, boto: Any, key: str) -> None:
    bucket, root = bucket_and_root(s3_store)
    s3_store.put(key, b"ours")
    assert boto.get_object(Bucket=bucket, Key=f"{root}/{key}")["Body"].read() == b"ours"
    boto.put_object(Bucket=bucket, Key=f"{root}/{key}", Body=b"theirs")
    assert s3_store.get(key) == b"theirs"
    listed = boto.list_objects_v2(Bucket=bucket, Prefix=root)["Contents"]
    assert [entry["Key"] for entry in listed] == [f"{root}/{key}"]
    boto.delete_object(Bucket=bucket, Key=f"{root}/{key}")
    assert s3_store.head(key) is None


@pytest.mark.parametrize("prefix", ["my data", "a+b", "50%25 + x", "é&="])
def test_every_client_lists_below_a_prefix_with_odd_characters(
    s3_store: Store, boto: Any, prefix: str
) -> None:
    """Clients write a blank in a query as '+' or as '%20', and sign the same for both."""
    bucket, root = bucket_and_root(s3_store)
    s3_store.put(f"{prefix}/b c.txt", b"x")
    assert [info.key for info in s3_store.list(prefix)] == [f"{prefix}/b c.txt"]
    listed = boto.list_objects_v2(Bucket=bucket, Prefix=f"{root}/{prefix}/")["Contents"]
    assert [entry["Key"] for entry in listed] == [f"{root}/{prefix}/b c.txt"]


def test_large_objects_cross_clients(s3_store: Store, boto: Any, tmp_path: Any) -> None:
    bucket, root = bucket_and_root(s3_store)
    data = os.urandom(20 << 20)
    (tmp_path / "up").write_bytes(data)
    boto.upload_file(str(tmp_path / "up"), bucket, f"{root}/theirs")
    assert s3_store.get("theirs") == data
    s3_store.put("ours", iter([data[: 9 << 20], data[9 << 20 :]]))
    boto.download_file(bucket, f"{root}/ours", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == data


def test_signed_urls_carry_one_method_for_one_key(s3_store: Store) -> None:
    put, get = s3_store.sign("PUT", "a b/ü", 60), s3_store.sign("GET", "a b/ü", 60)
    assert put is not None
    assert get is not None
    fetch(put, b"signed", "PUT")
    assert fetch(get) == b"signed"
    for url, method in ((get, "DELETE"), (put, "GET"), (get.replace("b/", "c/"), "GET")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(url, method=method)
        assert caught.value.code == 403
    assert s3_store.get("a b/ü") == b"signed"


def test_signed_urls_expire(s3_store: Store) -> None:
    s3_store.put("k", b"x")
    url = s3_store.sign("GET", "k", 1)
    assert url is not None
    limit = time.monotonic() + 20
    while time.monotonic() < limit and _status(url) == 200:
        time.sleep(0.2)
    assert _status(url) == 403


def _status(url: str) -> int:
    try:
        fetch(url)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def test_no_public_endpoint_means_no_public_url(s3_store: Store) -> None:
    private = open_store(s3_store.settings._replace(public_endpoint=""))
    assert private.sign("GET", "k", 60) is None
    assert private.sign("GET", "k", 60, public=False) is not None


def test_wrong_keys_are_refused_and_told(s3_store: Store) -> None:
    for change in ({"secret_key": "wrong"}, {"access_key": "nobody"}):
        other = open_store(s3_store.settings._replace(**change))
        with pytest.raises(StoreError) as caught:
            other.get("x")
        assert caught.value.code is ErrorCode.UNAUTHORISED
        assert not caught.value.retryable
        assert "wrong" not in caught.value.message
        assert "access key" in caught.value.message


def test_a_bucket_that_is_not_there(s3_store: Store) -> None:
    other = open_store(s3_store.settings._replace(url="s3://no-such-bucket-here/x"))
    with pytest.raises(StoreError) as caught:
        other.put("x", b"")
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert "no-such-bucket-here" in caught.value.message


def test_an_endpoint_that_does_not_answer(s3_store: Store) -> None:
    settings = s3_store.settings._replace(endpoint="http://127.0.0.1:1", max_retries=1, retry_timeout_s=1)
    gone = open_store(settings)
    for call in (
        lambda: gone.get("x"),
        lambda: gone.put("x", b""),
        lambda: list(gone.list("")),
        lambda: gone.head("x"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.value.code is ErrorCode.UNREACHABLE
        assert caught.value.retryable
        assert "127.0.0.1:1" in caught.value.message
    error = probe_conditional_writes(gone)
    assert error is not None
    assert error.code is ErrorCode.UNREACHABLE


def test_a_tasks_own_aws_settings_do_not_reach_the_platforms_store(
    s3_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "theirs",
        "AWS_SECRET_ACCESS_KEY": "theirs",
        "AWS_SESSION_TOKEN": "theirs",
        "AWS_REGION": "theirs",
        "AWS_SKIP_SIGNATURE": "true",
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    ours = open_store(s3_store.settings)
    ours.put("k", b"x")
    assert ours.get("k") == b"x"
    url = ours.sign("GET", "k", 60)
    assert url is not None
    assert fetch(url) == b"x"
    assert {name: os.environ[name] for name in theirs} == theirs


def test_a_reader_never_mixes_versions(s3_store: Store) -> None:
    s3_store.put("v", b"a" * (9 << 20))
    with s3_store.open_reader("v") as reader:
        assert reader.read(10) == b"a" * 10
        s3_store.put("v", b"b" * (9 << 20))
        with pytest.raises(StoreError, match="replaced"):
            reader.read()
