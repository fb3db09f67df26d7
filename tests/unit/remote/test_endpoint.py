"""Addresses: what is accepted, and when TLS is used."""

import pytest

from limosa.errors import LimosaError
from limosa.remote import Endpoint, Target


@pytest.mark.parametrize(
    ("text", "address", "secure"),
    [
        ("https://admin.example", "admin.example:443", True),
        ("https://admin.example:8443/", "admin.example:8443", True),
        ("http://10.0.0.1:80", "10.0.0.1:80", False),
        ("http://localhost", "localhost:80", False),
        ("127.0.0.1:30080", "127.0.0.1:30080", False),
        ("admin.example:443", "admin.example:443", True),
        ("[::1]:99", "[::1]:99", False),
    ],
)
def test_addresses(text, address, secure):
    endpoint = Endpoint.parse(text)
    assert (endpoint.address, endpoint.secure) == (address, secure)


@pytest.mark.parametrize(
    "text", ["", "admin", "ftp://x:1", "http://", "http://x:port", "https://x/path", "http://x:99999"]
)
def test_what_is_no_address_is_refused_with_the_forms_there_are(text):
    with pytest.raises(LimosaError, match="write https://host:port"):
        Endpoint.parse(text)


def test_a_target_says_what_it_is_and_hides_its_token():
    target = Target(Endpoint.parse("http://127.0.0.1:1"), "p", "d", token="s3cret", context="lab")
    assert target.describe() == "lab · http://127.0.0.1:1 · p/d"
    assert "s3cret" not in repr(target)
