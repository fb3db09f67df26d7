"""Keys and URIs: the one place that turns one into the other.

A URI is percent-encoded, a key is not. What people write by hand is taken too: a character that needed no code to be
understood (a blank, `#`, a `%` that begins no code) stands for itself.
"""

from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from limosa_store.errors import StoreError
from limosa_store.settings import StoreSettings
from limosa_store.store import check_key


def uri_of(root: str, key: str) -> str:
    """The absolute URI of a key.

    Args:
        root: URL of a store's root, as `StoreSettings.url` has it.
        key: relative to that root.

    Raises:
        StoreError: INVALID_KEY for a key that no store holds, INVALID_SETTINGS for such a root.
    """
    check_key(key)
    scheme, bucket, _ = StoreSettings(root).location()
    return f"{scheme}://{bucket}{quote(_base(root) + key)}"


def key_of(root: str, uri: str) -> str | None:
    """The key of an absolute URI, or None where it is no object's below the root; see `uri_of`."""
    scheme, bucket, _ = StoreSettings(root).location()
    place = f"{scheme}://{bucket}/"
    path = _decoded("/" + uri[len(place) :]) if uri.startswith(place) else None
    base = _base(root)
    if path is None or not path.startswith(base):
        return None
    key = path[len(base) :].rstrip("/")
    try:
        check_key(key)
    except StoreError:
        return None
    return key


def below(directory: str, uri: str) -> str | None:
    """The path of an object relative to a directory, both given as URIs; None where it does not lie below it."""
    base, path = _decoded(directory.rstrip("/") + "/"), _decoded(uri)
    return path[len(base) :] if base and path and path.startswith(base) and path != base else None


def name_of(uri: str) -> str:
    """The last part of what a URI refers to, as a file name."""
    path = uri.rstrip("/").rpartition("/")[2]
    return _decoded(path) or path


def _base(root: str) -> str:
    """The path of the root, with a slash at both ends, decoded."""
    path = StoreSettings(root).location()[2]
    return PurePosixPath("/", path.lstrip("/")).as_posix().rstrip("/") + "/"


def _decoded(text: str) -> str | None:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None
