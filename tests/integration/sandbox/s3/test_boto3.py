"""The endpoint as boto3 uses it, unchanged."""

import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError


def code_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def put_if(client: Any, bucket: str, value: int, etag: str) -> bool:
    try:
        client.put_object(Bucket=bucket, Key="counter", Body=str(value).encode(), IfMatch=etag)
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        return False
    return True


def test_objects_come_back_with_what_their_writer_said(s3: Any, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket,
        Key="dir/ü x",
        Body=b"text",
        ContentType="text/plain; charset=utf-8",
        ContentDisposition='attachment; filename="a.txt"',
        Metadata={"owner": "me"},
    )
    found = s3.get_object(Bucket=bucket, Key="dir/ü x")
    assert found["Body"].read() == b"text"
    assert found["ContentType"] == "text/plain; charset=utf-8"
    assert found["ContentDisposition"] == 'attachment; filename="a.txt"'
    assert found["Metadata"] == {"owner": "me"}
    s3.put_object(Bucket=bucket, Key="dir/ü x", Body=b"again")
    again = s3.head_object(Bucket=bucket, Key="dir/ü x")
    assert (again["ContentLength"], again["ContentType"], again["Metadata"]) == (5, "binary/octet-stream", {})


def test_objects_are_files_where_one_expects_them(s3: Any, bucket: str, endpoint: Any) -> None:
    s3.put_object(Bucket=bucket, Key="reports/2026/total.csv", Body=b"a,b\n")
    assert (endpoint.root / bucket / "reports" / "2026" / "total.csv").read_bytes() == b"a,b\n"
    (endpoint.root / bucket / "reports" / "by-hand.csv").write_text("c,d\n")
    assert s3.get_object(Bucket=bucket, Key="reports/by-hand.csv")["Body"].read() == b"c,d\n"


def test_no_key_leaves_its_bucket(s3: Any, bucket: str, endpoint: Any) -> None:
    for key in ("../escape", "a/../../escape", "..", "/etc/limosa-escape", "%2e%2e/escape", "a/./b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"
    outside = {path.name for path in endpoint.root.iterdir()} | {
        path.name for path in endpoint.root.parent.iterdir()
    }
    assert "escape" not in outside
    assert not Path("/etc/limosa-escape").exists()


def test_conditional_reads(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["ETag"] == etag
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfMatch='"other"') == "PreconditionFailed"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == "304"
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=modified) == "304"
    assert s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=modified)["ETag"] == etag


def test_conditional_writes(s3: Any, bucket: str) -> None:
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert (
        code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"other"') == "PreconditionFailed"
    )
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=first)
    assert code_of(s3.put_object, Bucket=bucket, Key="absent", Body=b"", IfMatch=first) == "NoSuchKey"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_of_many_if_match_writers_one_wins_each_round(endpoint: Any, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="counter", Body=b"0")
    clients = [endpoint.client() for _ in range(6)]

    def increment(client: Any) -> int:
        done = 0
        while done < 5:
            found = client.get_object(Bucket=bucket, Key="counter")
            value = int(found["Body"].read()) + 1
            if put_if(client, bucket, value, found["ETag"]):
                done += 1
        return done

    with ThreadPoolExecutor(6) as pool:
        total = sum(pool.map(increment, clients))
    assert int(s3.get_object(Bucket=bucket, Key="counter")["Body"].read()) == total == 30


def test_lists_fold_page_and_encode(s3: Any, bucket: str) -> None:
    names = ["a b&c/1", "a b&c/2", "d", "e/f/g", "e/h", "é/<x>"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"")
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [entry["Key"] for entry in page["Contents"]] == ["d"]
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["a b&c/", "e/", "é/"]
    assert page["KeyCount"] == 4
    collected = []
    for part in s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}
    ):
        collected += [entry["Key"] for entry in part.get("Contents", [])]
        collected += [entry["Prefix"] for entry in part.get("CommonPrefixes", [])]
    assert collected == ["a b&c/", "d", "e/", "é/"]
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, StartAfter="d")["Contents"]] == names[
        3:
    ]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    first = s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2)
    assert first["NextMarker"] == "d"
    assert [entry["Key"] for entry in s3.list_objects(Bucket=bucket, Marker="e/f/g")["Contents"]] == names[4:]
    assert code_of(s3.list_objects_v2, Bucket=bucket, ContinuationToken="!") == "InvalidArgument"


def test_copies(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from/ü", Body=b"x", ContentType="text/csv", Metadata={"a": "1"})
    s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "from/ü"})
    kept = s3.head_object(Bucket=bucket, Key="kept")
    assert (kept["ContentType"], kept["Metadata"]) == ("text/csv", {"a": "1"})
    s3.copy_object(
        Bucket=bucket,
        Key="replaced",
        CopySource={"Bucket": bucket, "Key": "from/ü"},
        MetadataDirective="REPLACE",
        ContentType="text/plain",
    )
    replaced = s3.head_object(Bucket=bucket, Key="replaced")
    assert (replaced["ContentType"], replaced["Metadata"]) == ("text/plain", {})
    missing = {"Bucket": bucket, "Key": "absent"}
    assert code_of(s3.copy_object, Bucket=bucket, Key="x", CopySource=missing) == "NoSuchKey"


def test_many_are_deleted_at_once(s3: Any, bucket: str) -> None:
    keys = [f"k/{number}<&>" for number in range(5)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in [*keys, "absent"]]})
    assert sorted(entry["Key"] for entry in answer["Deleted"]) == sorted([*keys, "absent"])
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_multipart_uploads(s3: Any, bucket: str) -> None:
    part = os.urandom(5 << 20)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ContentType="text/x", Metadata={"a": "b"})[
        "UploadId"
    ]
    where = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    stale = s3.upload_part(PartNumber=1, Body=b"replaced later", **where)["ETag"]
    first = s3.upload_part(PartNumber=1, Body=part, **where)["ETag"]
    last = s3.upload_part(PartNumber=3, Body=b"tail", **where)["ETag"]
    assert [entry["PartNumber"] for entry in s3.list_parts(**where)["Parts"]] == [1, 3]
    assert code_of(s3.head_object, Bucket=bucket, Key="m") == "404"

    def complete(*parts: tuple[int, str], **more: Any) -> Any:
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        return s3.complete_multipart_upload(MultipartUpload={"Parts": listed}, **where, **more)

    for parts, code in (
        ([(1, stale), (3, last)], "InvalidPart"),
        ([(1, first), (2, last)], "InvalidPart"),
        ([(3, last), (1, first)], "InvalidPartOrder"),
    ):
        with pytest.raises(ClientError) as caught:
            complete(*parts)
        assert caught.value.response["Error"]["Code"] == code
    done = complete((1, first), (3, last))
    assert complete((1, first), (3, last))["ETag"] == done["ETag"]
    found = s3.get_object(Bucket=bucket, Key="m")
    assert found["Body"].read() == part + b"tail"
    assert (found["ContentType"], found["Metadata"]) == ("text/x", {"a": "b"})


def test_small_parts_and_lost_races_are_refused(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    where = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    etags = [s3.upload_part(PartNumber=number, Body=b"small", **where)["ETag"] for number in (1, 2)]
    both = {
        "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in zip((1, 2), etags, strict=True)]
    }
    assert code_of(s3.complete_multipart_upload, MultipartUpload=both, **where) == "EntityTooSmall"
    s3.put_object(Bucket=bucket, Key="m", Body=b"first")
    one = {"Parts": both["Parts"][:1]}
    assert (
        code_of(s3.complete_multipart_upload, MultipartUpload=one, IfNoneMatch="*", **where)
        == "PreconditionFailed"
    )
    s3.abort_multipart_upload(**where)
    assert code_of(s3.list_parts, **where) == "NoSuchUpload"
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == b"first"


def test_part_copies(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    where = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    etag = s3.upload_part_copy(
        PartNumber=1, CopySource={"Bucket": bucket, "Key": "source"}, CopySourceRange="bytes=2-5", **where
    )["CopyPartResult"]["ETag"]
    s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}, **where)
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == b"2345"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=2-4", b"234"),
        ("bytes=7-", b"789"),
        ("bytes=-3", b"789"),
        ("bytes=5-500", b"56789"),
        ("bytes=-99", None),
    ],
)
def test_ranges(s3: Any, bucket: str, header: str, expected: bytes | None) -> None:
    s3.put_object(Bucket=bucket, Key="r", Body=b"0123456789")
    found = s3.get_object(Bucket=bucket, Key="r", Range=header)
    assert found["Body"].read() == (expected if expected is not None else b"0123456789")
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert code_of(s3.get_object, Bucket=bucket, Key="r", Range="bytes=10-") == "InvalidRange"


def test_buckets(s3: Any, bucket: str) -> None:
    assert bucket in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=bucket)
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert code_of(s3.create_bucket, Bucket=bucket) == "BucketAlreadyOwnedByYou"
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert code_of(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    assert code_of(s3.head_bucket, Bucket="no-such-bucket") == "404"
    assert code_of(s3.list_objects_v2, Bucket="no-such-bucket") == "NoSuchBucket"


def test_what_is_not_served_says_so(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    for call in (s3.get_object_acl, s3.get_object_tagging):
        assert code_of(call, Bucket=bucket, Key="k") == "NotImplemented"
    assert code_of(s3.get_bucket_policy, Bucket=bucket) == "NotImplemented"


def test_signed_payload_chunks_as_older_clients_send_them(endpoint: Any, bucket: str) -> None:
    client = endpoint.client(
        s3={"payload_signing_enabled": True}, request_checksum_calculation="when_required"
    )
    client.put_object(Bucket=bucket, Key="k", Body=b"signed payload")
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"signed payload"


def test_presigned_downloads_may_name_their_type(endpoint: Any, bucket: str) -> None:
    s3 = endpoint.client(signature_version="s3v4")
    s3.put_object(Bucket=bucket, Key="report", Body=b"<p>")
    url = s3.generate_presigned_url(
        "get_object",
        Params={"Bucket": bucket, "Key": "report", "ResponseContentType": "text/html"},
        ExpiresIn=60,
    )
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/html"
        assert answer.read() == b"<p>"
