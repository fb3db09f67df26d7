import pytest

from limosa_admin import page_tokens
from limosa_admin.request_errors import RequestError


@pytest.mark.parametrize("position", ["a/b/ü", "0", "x" * 500])
def test_what_was_given_comes_back(position: str) -> None:
    assert page_tokens.decode(page_tokens.encode(position)) == position


def test_no_token_is_the_first_page() -> None:
    assert page_tokens.encode(None) == ""
    assert page_tokens.decode("") is None
    assert page_tokens.decode_number(page_tokens.encode(7)) == 7


@pytest.mark.parametrize("token", ["%%%", "YWJj", "x", "\u00e9", page_tokens.encode("9" * 30)])
def test_a_foreign_token_is_refused(token: str) -> None:
    with pytest.raises(RequestError, match="begin again without one"):
        page_tokens.decode_number(token)


def test_limits() -> None:
    assert page_tokens.page_limit(0) == 50
    assert page_tokens.page_limit(200) == 200
    with pytest.raises(RequestError, match="at most 200"):
        page_tokens.page_limit(201)
