import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

KEYS = [
    {"access_key": "AK", "secret_key": "SECRET"},
    {
        "access_key": "POD",
        "secret_key": "POD-SECRET",
        "read": ["limosa/data/demo/"],
        "write": ["limosa/data/demo/runs/"],
    },
]


@dataclass(frozen=True)
class Endpoint:
    url: str
    root: Path
    pid: int

    def client(self, access_key: str = "AK", secret_key: str = "SECRET", **config: Any) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("endpoint")
    keys = folder / "keys.json"
    keys.write_text(json.dumps(KEYS))
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
        yield Endpoint(json.loads(process.stdout.readline())["url"], folder / "objects", process.pid)
    finally:
        process.stdin.close()
        assert process.wait(10) == 0
        process.stdout.close()


@pytest.fixture
def s3(endpoint: Endpoint) -> Any:
    return endpoint.client()


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    name = "b" + str(abs(hash(request.node.name)))[:12]
    s3.create_bucket(Bucket=name)
    yield name
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for entry in page.get("Contents", []):
            s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)
