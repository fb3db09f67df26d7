"""ListObjects, both versions: pages of keys in order, folded at a delimiter."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from limosa_sandbox.s3.documents import contents, document, element
from limosa_sandbox.s3.errors import invalid_argument
from limosa_store.tree import ObjectTree, StoredFile

_MAX_KEYS = 1000
# Greater than any character a key can have: skips all keys below a folded prefix.
_AFTER_ALL = "\U0010ffff"


@dataclass
class Page:
    """One page: the objects, the folded prefixes, and the last entry when more follow (else "")."""

    files: list[StoredFile] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""


def read_page(tree: ObjectTree, prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """Collects up to `limit` entries greater than `after`."""
    page = Page()
    if limit == 0:
        return page
    last = ""
    while True:
        folded = ""
        for file in tree.walk(prefix, after):
            if len(page.files) + len(page.prefixes) == limit:
                page.last = last
                return page
            end = file.key.find(delimiter, len(prefix)) if delimiter else -1
            if end >= 0:
                folded = file.key[: end + len(delimiter)]
                page.prefixes.append(folded)
                last = folded
                break
            page.files.append(file)
            last = file.key
        if not folded:
            return page
        after = folded + _AFTER_ALL


def list_objects(bucket: str, tree: ObjectTree, query: Mapping[str, str]) -> bytes:
    """Answers ListObjectsV2, or ListObjects without `list-type=2`."""
    second = query.get("list-type") == "2"
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = _limit(query.get("max-keys", str(_MAX_KEYS)))
    token = query.get("continuation-token", "") if second else query.get("marker", "")
    after = _after(token, query.get("start-after", ""), second, delimiter)
    encode = quote if query.get("encoding-type") == "url" else str
    page = read_page(tree, prefix, delimiter, after, limit)
    parts = [
        element("Name", bucket),
        element("Prefix", encode(prefix)),
        element("MaxKeys", limit),
        element("IsTruncated", bool(page.last)),
    ]
    if delimiter:
        parts.append(element("Delimiter", encode(delimiter)))
    if query.get("encoding-type"):
        parts.append(element("EncodingType", "url"))
    if second:
        parts += _version_two(query, page, encode)
    else:
        parts.append(element("Marker", encode(token)))
        if page.last:
            parts.append(element("NextMarker", encode(page.last)))
    parts += [contents(encode(file.key), file) for file in page.files]
    parts += [f"<CommonPrefixes>{element('Prefix', encode(item))}</CommonPrefixes>" for item in page.prefixes]
    return document("ListBucketResult", *parts)


def _version_two(query: Mapping[str, str], page: Page, encode: type[str] | object) -> list[str]:
    parts = [element("KeyCount", len(page.files) + len(page.prefixes))]
    if query.get("continuation-token"):
        parts.append(element("ContinuationToken", query["continuation-token"]))
    if query.get("start-after"):
        text = query["start-after"]
        parts.append(element("StartAfter", quote(text) if encode is quote else text))
    if page.last:
        token = base64.urlsafe_b64encode(page.last.encode()).decode()
        parts.append(element("NextContinuationToken", token))
    return parts


def _after(token: str, start_after: str, second: bool, delimiter: str) -> str:
    if token and second:
        try:
            token = base64.b64decode(token, altchars=b"-_", validate=True).decode()
        except ValueError:
            raise invalid_argument("The continuation token is not one given here.") from None
    after = token or start_after
    return after + _AFTER_ALL if delimiter and after.endswith(delimiter) else after


def _limit(text: str) -> int:
    if not text.isdigit():
        raise invalid_argument(f"max-keys must be a number from 0 to {_MAX_KEYS}, not {text!r}.")
    return min(int(text), _MAX_KEYS)
