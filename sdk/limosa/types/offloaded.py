"""Values too large to travel: a literal that says where the literal is."""

from google.protobuf.message import DecodeError

from limosa.errors import CorruptData
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, Offloaded
from limosa_model.digests import serialize, sha256_hex

OFFLOAD_BYTES = 32 * 1024
"""Serialised literals above this size are stored by themselves."""


def offload(literal: Literal, name: str, transfer: TransferContext) -> Literal:
    """The literal itself, or where it is small enough no longer: a reference to its stored bytes."""
    if literal.ByteSize() <= OFFLOAD_BYTES:
        return literal
    data = serialize(literal)
    path = transfer.scratch(f"{name}.pb")
    path.write_bytes(data)
    stored = transfer.upload_file(path, f"{name}.pb")
    length = len(literal.collection.literals)
    digest = "sha256:" + sha256_hex(data)
    reference = Offloaded(uri=stored.uri, size=len(data), digest=digest, length=length)
    # What its author wants to stand for it does so wherever it lies.
    return Literal(offloaded=reference, digest=literal.digest)


def fetch(literal: Literal, transfer: TransferContext) -> Literal:
    """The literal that an offloaded one refers to. Raises CorruptData."""
    reference = literal.offloaded
    with transfer.open_file(reference.uri) as stream:
        data = stream.read()
    if reference.digest != "sha256:" + sha256_hex(data):
        raise CorruptData(reference.uri)
    try:
        return Literal.FromString(data)
    except DecodeError as error:
        raise CorruptData(reference.uri, f"it is no value: {error}") from error
