"""What the endpoint owes apart from S3's verbs: who may enter, limits, faults."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from limosa_store import ErrorCode, StoreError, StoreSettings, open_store


def test_a_pods_key_opens_its_own_project_only(endpoint: Any, s3: Any) -> None:
    pod = endpoint.client("POD", "POD-SECRET")
    for key in ("data/demo/code/c", "data/demo/runs/r", "data/other/runs/r"):
        s3.put_object(Bucket="limosa", Key=key, Body=b"x")
    assert pod.get_object(Bucket="limosa", Key="data/demo/code/c")["Body"].read() == b"x"
    pod.put_object(Bucket="limosa", Key="data/demo/runs/mine", Body=b"x")
    pod.list_objects_v2(Bucket="limosa", Prefix="data/demo/")
    pod.head_bucket(Bucket="limosa")
    refused = [
        lambda: pod.put_object(Bucket="limosa", Key="data/demo/code/c", Body=b"y"),
        lambda: pod.delete_object(Bucket="limosa", Key="data/demo/code/c"),
        lambda: pod.get_object(Bucket="limosa", Key="data/other/runs/r"),
        lambda: pod.list_objects_v2(Bucket="limosa"),
        lambda: pod.list_objects_v2(Bucket="limosa", Prefix="data/demo"),
        lambda: pod.create_bucket(Bucket="another"),
        lambda: pod.copy_object(
            Bucket="limosa",
            Key="data/demo/runs/c",
            CopySource={"Bucket": "limosa", "Key": "data/other/runs/r"},
        ),
        lambda: pod.create_multipart_upload(Bucket="limosa", Key="data/demo/code/m"),
    ]
    for call in refused:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
    answer = pod.delete_objects(
        Bucket="limosa", Delete={"Objects": [{"Key": "data/demo/runs/mine"}, {"Key": "data/demo/code/c"}]}
    )
    assert [entry["Key"] for entry in answer["Deleted"]] == ["data/demo/runs/mine"]
    assert [entry["Code"] for entry in answer["Errors"]] == ["AccessDenied"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_strangers_are_refused(endpoint: Any, headers: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=10)
    connection.request("GET", "/limosa/x", headers=headers)
    answer = connection.getresponse()
    assert answer.status == status
    assert b"<Code>AccessDenied</Code>" in answer.read()
    connection.close()


def test_an_interrupted_upload_leaves_nothing(endpoint: Any, s3: Any) -> None:
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "limosa", "Key": "cut"}, ExpiresIn=60)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"x" * 1000)
    connection.close()
    limit = time.monotonic() + 20
    staging = endpoint.root / "limosa" / "%staging"
    while time.monotonic() < limit and list(staging.iterdir()):
        time.sleep(0.05)
    assert list(staging.iterdir()) == []
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="limosa", Key="cut")


def start(root: Path, keys: Path, **more: Any) -> tuple["subprocess.Popen[bytes]", str]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "limosa_sandbox.s3", "--root", str(root), "--credentials", str(keys)),
            *("--bucket", "limosa", "--until-eof"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **more,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["url"]


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(10)
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps([{"access_key": "AK", "secret_key": "SECRET"}]))
    return path


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, keys: Path) -> None:
    acknowledged: list[str] = []
    process, url = start(tmp_path / "objects", keys)

    def write() -> None:
        store = open_store(
            StoreSettings("s3://limosa/d", endpoint=url, access_key="AK", secret_key="SECRET", max_retries=0)
        )
        with suppress(StoreError):
            for number in range(100_000):
                store.put_if_absent(f"k/{number}", str(number).encode() * 50)
                acknowledged.append(f"k/{number}")

    writer = threading.Thread(target=write)
    writer.start()
    while len(acknowledged) < 200 and writer.is_alive():
        time.sleep(0.005)
    end(process)
    writer.join(30)
    assert len(acknowledged) >= 200
    process, url = start(tmp_path / "objects", keys)
    try:
        store = open_store(StoreSettings("s3://limosa/d", endpoint=url, access_key="AK", secret_key="SECRET"))
        present = {info.key for info in store.list("k")}
        assert set(acknowledged) <= present
        assert len(present) <= len(acknowledged) + 1
        for key in present:
            assert store.get(key) == key.removeprefix("k/").encode() * 50
        assert list((tmp_path / "objects" / "limosa" / "%staging").glob("*")) == []
    finally:
        end(process)


def test_memory_stays_flat(tmp_path: Path, keys: Path) -> None:
    process, url = start(tmp_path / "objects", keys)
    try:
        store = open_store(StoreSettings("s3://limosa/d", endpoint=url, access_key="AK", secret_key="SECRET"))
        block = os.urandom(1 << 20)
        store.put("large", (block for _ in range(200)))
        with store.open_reader("large") as reader:
            while reader.read(1 << 22):
                pass
        status = Path(f"/proc/{process.pid}/status")
        if status.exists():
            peak_kib = int(status.read_text().partition("VmHWM:")[2].split()[0])
            assert peak_kib < 150 << 10
    finally:
        end(process)


def test_a_full_disk_is_told_as_such(tmp_path: Path, keys: Path) -> None:
    import resource

    def limit() -> None:
        # Writes beyond this size fail as they do on a full disk, but with another error number; the
        # signal that comes with it is ignored so that the error is seen.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    process, url = start(tmp_path / "objects", keys, preexec_fn=limit)
    try:
        settings = StoreSettings(
            "s3://limosa/d",
            endpoint=url,
            access_key="AK",
            secret_key="SECRET",
            max_retries=1,
            retry_timeout_s=2,
        )
        store = open_store(settings)
        with pytest.raises(StoreError) as caught:
            store.put("too-large", b"x" * (2 << 20))
        assert caught.value.code is ErrorCode.NO_SPACE
        assert "free space" in caught.value.message
        store.put("small", b"x")
        assert store.get("small") == b"x"
        assert store.head("too-large") is None
        assert list((tmp_path / "objects" / "limosa" / "%staging").glob("*")) == []
    finally:
        end(process)


def test_it_refuses_to_listen_to_the_world(tmp_path: Path, keys: Path) -> None:
    command = [sys.executable, "-m", "limosa_sandbox.s3", "--root", str(tmp_path), "--credentials", str(keys)]
    done = subprocess.run(
        [*command, "--host", "0.0.0.0"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode != 0
    assert "loopback" in done.stderr
