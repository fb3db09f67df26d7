"""Every key has one URI, and every URI of a key leads back to it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limosa_store import StoreError
from limosa_store.store import check_key
from limosa_store.uris import below, key_of, name_of, uri_of

ROOTS = ["s3://bucket", "s3://bucket/", "s3://bucket/a root", "file:///srv/a%20b/50%25", "file:///"]


def holds(key: str) -> bool:
    try:
        check_key(key)
    except StoreError:
        return False
    return True


KEYS = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4).map("/".join).filter(holds)


@pytest.mark.parametrize("root", ROOTS)
@given(key=KEYS)
@example(key="p/d/a b.txt")
@example(key="p/d/100%.txt")
@example(key="p/d/%2e.txt")
@example(key="p/d/a+b.txt")
@example(key="p/d/a#b?c.txt")
@example(key="p/d/q\"uote'; ls")
def test_a_uri_leads_back_to_its_key(root: str, key: str) -> None:
    uri = uri_of(root, key)
    assert uri.isascii()
    assert not set(uri) & set(" \"'?#+;")
    assert key_of(root, uri) == key
    assert key_of(root, uri + "/") == key
    assert name_of(uri) == key.rpartition("/")[2]


@given(directory=KEYS, member=KEYS)
def test_members_are_found_below_their_directory_and_nowhere_else(directory: str, member: str) -> None:
    folder = uri_of("s3://b/root", directory)
    inside = uri_of("s3://b/root", f"{directory}/{member}") if holds(f"{directory}/{member}") else ""
    if inside:
        assert below(folder, inside) == member
        assert below(folder + "/", inside) == member
    assert below(folder, folder) is None
    assert below(folder, folder + "-sibling/x") is None


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("s3://bucket/root/p/a b.txt", "p/a b.txt"),
        ("s3://bucket/root/p/100%.txt", "p/100%.txt"),
        ("s3://bucket/root/p/a#b?c", "p/a#b?c"),
        ("s3://bucket/root/p/folder/", "p/folder"),
    ],
)
def test_what_people_write_by_hand_is_understood(written: str, key: str) -> None:
    assert key_of("s3://bucket/root", written) == key


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/rooted/x",
        "s3://bucket/root",
        "s3://bucket/root/",
        "s3://other/root/x",
        "s3://bucket/root/p/../q",
        "s3://bucket/root/p/%2e%2e/q",
        "s3://bucket/root/p%2F%2Fq",
        "s3://bucket/root/p/%ff",
        "file:///bucket/root/x",
        "root/x",
        "",
    ],
)
def test_what_is_no_object_of_the_root_has_no_key(uri: str) -> None:
    assert key_of("s3://bucket/root", uri) is None
