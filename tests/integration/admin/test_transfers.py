"""Objects that travel through admin because the store has no public address."""

import hashlib

import grpc
import pytest

from limosa_admin.identity import Role
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc

CONTENT = b"price,area\n1,2\n" * 50_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def transfers(site):
    channel = grpc.insecure_channel(site.admin.grpc_address)
    stub = admin_pb2_grpc.TransferServiceStub(channel)
    metadata = [("authorization", f"Bearer {site.token(Role.CONTRIBUTOR)}")]

    class Transfers:
        def __getattr__(self, name: str):
            return lambda request: getattr(stub, name)(request, metadata=metadata, timeout=20)

    yield Transfers()
    channel.close()


def upload(name: str, size: int = len(CONTENT)) -> pb.SignUploadRequest:
    target = pb.UploadName(digest=DIGEST, name=name)
    return pb.SignUploadRequest(project="demo", domain="development", upload=target, size=size)


def test_up_and_down_again(site, transfers) -> None:
    signed = transfers.SignUpload(upload("data/houses.csv"))
    assert signed.uri == site.store.uri(f"demo/development/uploads/{DIGEST}/data/houses.csv")
    assert site.http("PUT", signed.url, body=CONTENT)[0] == 200
    assert transfers.SignUpload(upload("data/houses.csv")).exists
    down = transfers.SignDownload(pb.SignDownloadRequest(uri=signed.uri))
    status, headers, body = site.http("GET", down.url)
    assert (status, body) == (200, CONTENT)
    assert headers["content-disposition"] == "attachment"
    assert "sandbox" in headers["content-security-policy"]
    prefix = site.store.uri(f"demo/development/uploads/{DIGEST}")
    listed = transfers.ListObjects(pb.ListObjectsRequest(uri=prefix)).objects
    assert [(found.uri, found.size) for found in listed] == [(signed.uri, len(CONTENT))]


@pytest.mark.parametrize("name", ["a b.txt", "é.txt", "100%.txt", "a#b?c.txt", "a+b.txt", "%2e.txt", "'; ls"])
def test_names_that_addresses_write_in_another_way(site, transfers, name: str) -> None:
    signed = transfers.SignUpload(upload(f"my data/{name}", 1))
    assert site.http("PUT", signed.url, body=b"x")[0] == 200
    down = transfers.SignDownload(pb.SignDownloadRequest(uri=signed.uri))
    assert site.http("GET", down.url)[2] == b"x"
    folder = pb.ListObjectsRequest(uri=signed.uri.rpartition("/")[0])
    assert [found.uri for found in transfers.ListObjects(folder).objects] == [signed.uri]


def test_code_bundles_go_to_their_digest(site, transfers) -> None:
    request = pb.SignUploadRequest(project="demo", domain="development", code_bundle=DIGEST, size=4)
    signed = transfers.SignUpload(request)
    assert site.http("PUT", signed.url, body=b"code")[0] == 200
    assert site.store.get(f"demo/development/code/{DIGEST}.tar.gz") == b"code"
    assert transfers.SignUpload(request).exists


def test_wheels_and_locks_lie_below_the_code_that_pods_may_read(site, transfers) -> None:
    for target, key in (
        ("package_wheel", f"wheels/{DIGEST}.whl"),
        ("package_lock", f"packages/{DIGEST}.json"),
    ):
        request = pb.SignUploadRequest(project="demo", domain="development", size=4, **{target: DIGEST})
        signed = transfers.SignUpload(request)
        assert site.http("PUT", signed.url, body=b"whee")[0] == 200
        assert site.store.get(f"demo/development/code/{key}") == b"whee"
        assert transfers.SignUpload(request).exists


@pytest.mark.parametrize("body", [CONTENT + b"x", CONTENT[:-1], b""])
def test_an_upload_of_another_size_leaves_nothing(site, transfers, body: bytes) -> None:
    signed = transfers.SignUpload(upload("a.csv"))
    status, _, answer = site.http("PUT", signed.url, body=body)
    assert status == 400
    assert b"was announced with" in answer
    assert list(site.store.list("demo")) == []


def test_an_address_is_good_for_one_verb_and_object(site, transfers) -> None:
    signed = transfers.SignUpload(upload("a.csv"))
    assert site.http("GET", signed.url)[0] == 403
    body, _, signature = signed.url.rpartition("/")[2].partition(".")
    base = signed.url.rpartition("/")[0]
    changed = ("A" if body[20] != "A" else "B").join((body[:20], body[21:]))
    for ticket in (f"{changed}.{signature}", f"{body}.", body, f"{body}.AAAA", "é", "."):
        path = base + "/" + ticket.encode().hex() if not ticket.isascii() else f"{base}/{ticket}"
        assert site.http("PUT", path, body=CONTENT)[0] == 403, ticket


@pytest.mark.parametrize(
    ("request_", "code", "expected"),
    [
        (upload("../../secret"), grpc.StatusCode.INVALID_ARGUMENT, "'..'"),
        (upload("/etc/passwd"), grpc.StatusCode.INVALID_ARGUMENT, "relative"),
        (upload("a", 10 * 1024**4), grpc.StatusCode.INVALID_ARGUMENT, "at most"),
        (
            pb.SignUploadRequest(project="demo", domain="development", code_bundle="../x"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "not a sha256",
        ),
        (
            pb.SignUploadRequest(project="demo", domain="development"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "name a code_bundle, a package_wheel, a package_lock or an upload",
        ),
        (pb.SignDownloadRequest(uri="s3://elsewhere/a"), grpc.StatusCode.INVALID_ARGUMENT, "below"),
        (pb.ListObjectsRequest(uri=""), grpc.StatusCode.INVALID_ARGUMENT, "below"),
    ],
)
def test_bad_requests_name_what_is_wrong(transfers, request_, code: grpc.StatusCode, expected: str) -> None:
    method = type(request_).__name__.removesuffix("Request")
    with pytest.raises(grpc.RpcError) as raised:
        getattr(transfers, method)(request_)
    assert raised.value.code() is code
    assert expected in raised.value.details()


def test_what_is_not_there_or_leads_out_is_refused(site, transfers) -> None:
    root = site.store.settings.url
    for uri, code in (
        (f"{root}/demo/development/uploads/none", grpc.StatusCode.NOT_FOUND),
        (f"{root}/demo/development/../../other/x/y/z", grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            transfers.SignDownload(pb.SignDownloadRequest(uri=uri))
        assert raised.value.code() is code
