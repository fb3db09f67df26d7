"""The implementations the suite runs against.

A directory and the sandbox's S3 endpoint always; any other S3-compatible service (MinIO, AWS) when
LIMOSA_CONTRACT_S3_ENDPOINT, _ACCESS_KEY, _SECRET_KEY and _BUCKET are set.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from limosa_store import Store, StoreSettings, open_store

EXTERNAL = os.environ.get("LIMOSA_CONTRACT_S3_ENDPOINT", "")
TARGETS = ["directory", "sandbox", *(["external"] if EXTERNAL else [])]
S3_TARGETS = TARGETS[1:]


@pytest.fixture(scope="session")
def sandbox_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("s3")
    keys = folder / "keys.json"
    keys.write_text(json.dumps([{"access_key": "AK", "secret_key": "SECRET"}]))
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "limosa_sandbox.s3", "--root", str(folder / "objects")),
            *("--credentials", str(keys), "--bucket", "limosa", "--until-eof"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def settings_of(target: str, request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    if target == "directory":
        return StoreSettings(f"file://{tmp_path}/store")
    root = f"contract/{uuid.uuid4().hex}"
    if target == "external":
        return StoreSettings(
            f"s3://{os.environ['LIMOSA_CONTRACT_S3_BUCKET']}/{root}",
            endpoint=EXTERNAL,
            public_endpoint=EXTERNAL,
            access_key=os.environ["LIMOSA_CONTRACT_S3_ACCESS_KEY"],
            secret_key=os.environ["LIMOSA_CONTRACT_S3_SECRET_KEY"],
        )
    endpoint = request.getfixturevalue("sandbox_endpoint")
    return StoreSettings(
        f"s3://limosa/{root}",
        endpoint=endpoint,
        public_endpoint=endpoint,
        access_key="AK",
        secret_key="SECRET",
        max_retries=2,
        retry_timeout_s=5,
    )


@pytest.fixture(params=TARGETS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(settings_of(request.param, request, tmp_path))
    yield opened
    opened.delete_prefix("")


@pytest.fixture(params=S3_TARGETS)
def s3_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(settings_of(request.param, request, tmp_path))
    yield opened
    opened.delete_prefix("")
