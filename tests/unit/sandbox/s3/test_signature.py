from datetime import datetime, timedelta, timezone

import pytest

from limosa_sandbox.s3.errors import S3Error
from limosa_sandbox.s3.settings import Credential
from limosa_sandbox.s3.signature import SignedRequest, authenticate, parse_query, sign, signing_key

# The worked examples of AWS' documentation ("Signature Calculations for the Authorization Header").
KEY = "AKIAIOSFODNN7EXAMPLE"
CREDENTIALS = {KEY: Credential(KEY, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}
NOW = datetime(2013, 5, 24, 0, 0, 5, tzinfo=timezone.utc)
HOST = ("host", "examplebucket.s3.amazonaws.com")
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SCOPE = f"{KEY}/20130524/us-east-1/s3/aws4_request"


def header_request(
    signature: str, signed: str, *headers: tuple[str, str], path: str, query: str = ""
) -> SignedRequest:
    authorization = f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={signed},Signature={signature}"
    return SignedRequest("GET", path, query, (HOST, ("authorization", authorization), *headers))


GET_OBJECT = header_request(
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    "host;range;x-amz-content-sha256;x-amz-date",
    ("range", "bytes=0-9"),
    ("x-amz-content-sha256", EMPTY),
    ("x-amz-date", "20130524T000000Z"),
    path="/test.txt",
)
LIST_OBJECTS = header_request(
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    "host;x-amz-content-sha256;x-amz-date",
    ("x-amz-content-sha256", EMPTY),
    ("x-amz-date", "20130524T000000Z"),
    path="/",
    query="max-keys=2&prefix=J",
)
PRESIGNED = SignedRequest(
    "GET",
    "/test.txt",
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    (HOST,),
)


def check(request: SignedRequest, now: datetime = NOW) -> str:
    return authenticate(request, CREDENTIALS, now, 900).payload


def refusal(request: SignedRequest, now: datetime = NOW) -> tuple[int, str]:
    with pytest.raises(S3Error) as caught:
        check(request, now)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize(
    ("request_", "payload"), [(GET_OBJECT, EMPTY), (LIST_OBJECTS, EMPTY), (PRESIGNED, "UNSIGNED-PAYLOAD")]
)
def test_the_documented_examples_verify(request_: SignedRequest, payload: str) -> None:
    assert check(request_) == payload


def test_any_change_to_what_is_signed_is_refused() -> None:
    changed = [
        SignedRequest("PUT", GET_OBJECT.path, "", GET_OBJECT.headers),
        SignedRequest("GET", "/other.txt", "", GET_OBJECT.headers),
        SignedRequest("GET", GET_OBJECT.path, "versions=", GET_OBJECT.headers),
        SignedRequest("GET", LIST_OBJECTS.path, "max-keys=3&prefix=J", LIST_OBJECTS.headers),
        SignedRequest("GET", PRESIGNED.path, PRESIGNED.query.replace("86400", "604800"), (HOST,)),
        SignedRequest("GET", PRESIGNED.path, PRESIGNED.query, (("host", "elsewhere"),)),
    ]
    for request in changed:
        assert refusal(request) == (403, "SignatureDoesNotMatch")


def test_clocks_may_differ_by_a_quarter_of_an_hour() -> None:
    for minutes in (-14, 14):
        check(GET_OBJECT, NOW + timedelta(minutes=minutes))
    for minutes in (-16, 16):
        assert refusal(GET_OBJECT, NOW + timedelta(minutes=minutes)) == (403, "RequestTimeTooSkewed")


def test_presigned_requests_are_good_from_their_date_to_their_end() -> None:
    check(PRESIGNED, NOW + timedelta(hours=23))
    assert refusal(PRESIGNED, NOW + timedelta(hours=25)) == (403, "AccessDenied")
    assert refusal(PRESIGNED, NOW - timedelta(hours=1)) == (403, "AccessDenied")


def test_requests_without_a_usable_signature_are_refused() -> None:
    anonymous = SignedRequest("GET", "/test.txt", "", (HOST,))
    assert refusal(anonymous) == (403, "AccessDenied")
    old = SignedRequest("GET", "/", "", (HOST, ("authorization", "AWS AKIA:sig")))
    assert refusal(old) == (400, "AuthorizationHeaderMalformed")
    for text, new in (("us-east-1/s3", "us-east-1/ec2"), ("20130524/", "20120524/")):
        headers = tuple((name, value.replace(text, new)) for name, value in GET_OBJECT.headers)
        assert refusal(SignedRequest("GET", "/test.txt", "", headers))[1] == "AuthorizationHeaderMalformed"
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        authenticate(GET_OBJECT, {}, NOW, 900)
    token = SignedRequest("GET", "/test.txt", "", (*GET_OBJECT.headers, ("x-amz-security-token", "t")))
    assert refusal(token) == (403, "InvalidToken")


def test_the_host_must_be_signed() -> None:
    headers = (HOST, ("x-amz-content-sha256", EMPTY), ("x-amz-date", "20130524T000000Z"))
    request = SignedRequest("GET", "/test.txt", "", headers)
    authorization = f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=x-amz-date, Signature={'0' * 64}"
    with_header = SignedRequest("GET", "/test.txt", "", (*request.headers, ("authorization", authorization)))
    assert refusal(with_header) == (403, "AccessDenied")


def test_the_documented_chunk_signature() -> None:
    key = signing_key(CREDENTIALS[KEY].secret_key, "20130524", "us-east-1")
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    digest = "bf718b6f653bebc184e1479f1935b8da974d701b893afcf49e701f3e2f9f9c5a"
    scope = "20130524/us-east-1/s3/aws4_request"
    signature = sign(key, "20130524T000000Z", scope, f"{seed}\n{EMPTY}\n{digest}", "AWS4-HMAC-SHA256-PAYLOAD")
    assert signature == "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"


def test_queries_keep_order_and_plus_signs() -> None:
    assert parse_query("b=1+2%2B3&a=%2F&delete&c=") == [("b", "1 2+3"), ("a", "/"), ("delete", ""), ("c", "")]
    assert parse_query("") == []
