"""Digests: same meaning, same bytes, same digest."""

import hashlib

from google.protobuf.message import Message


def serialize(message: Message) -> bytes:
    """Bytes of a message, the same for equal messages (map entries in key order)."""
    return message.SerializeToString(deterministic=True)


def sha256_hex(data: bytes) -> str:
    """Hex sha256, as code bundles and closures are addressed."""
    return hashlib.sha256(data).hexdigest()


def digest_of(message: Message) -> str:
    """Digest "sha256:<hex>" over `serialize`."""
    return "sha256:" + sha256_hex(serialize(message))
