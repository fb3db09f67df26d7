"""The XML documents of the API: written by small functions, read with a size limit."""

from collections.abc import Iterable
from datetime import datetime, timezone
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from limosa_sandbox.s3.errors import S3Error
from limosa_store.tree import StoredFile

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def document(root: str, *content: str) -> bytes:
    """Returns a document with the given inner XML."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">{"".join(content)}</{root}>'
    ).encode("utf-8", "replace")


def element(name: str, value: object) -> str:
    """Returns one element with text."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{_text(text)}</{name}>"


def _text(text: str) -> str:
    # XML 1.0 cannot hold most control characters; clients that ask for url encoding get them as %XX.
    return escape(
        "".join(char if char >= " " or char in "\t\n\r" else "\ufffd" for char in text), {"\r": "&#13;"}
    )


def timestamp(seconds: float) -> str:
    """Returns S3's ISO 8601 form of Unix seconds."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def contents(key: str, file: StoredFile) -> str:
    """Returns one entry of a listing."""
    return "".join(
        (
            "<Contents>",
            element("Key", key),
            element("LastModified", timestamp(file.modified)),
            element("ETag", f'"{file.etag}"'),
            element("Size", file.size),
            element("StorageClass", "STANDARD"),
            "</Contents>",
        )
    )


def parse(data: bytes, root: str) -> ElementTree.Element:
    """Reads a document and drops its namespaces.

    Raises:
        S3Error: MalformedXML.
    """
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise S3Error(400, "MalformedXML", "The document declares entities, which are not read here.")
    try:
        tree = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise S3Error(400, "MalformedXML", f"The document is not well-formed: {error}") from None
    for node in tree.iter():
        node.tag = node.tag.rpartition("}")[2]
    if tree.tag != root:
        raise S3Error(400, "MalformedXML", f"The document is a {tree.tag}, not a {root}.")
    return tree


def texts(node: ElementTree.Element, names: Iterable[str]) -> list[str]:
    """Returns the texts of a node's children, "" where one is absent."""
    return [(node.findtext(name) or "").strip() for name in names]
