"""What values refer to: objects and folders that lie outside the value itself."""

from collections.abc import Iterable, Iterator

from limosa_idl.core.v1alpha1.literal_pb2 import Literal


def references(literals: Iterable[Literal]) -> Iterator[tuple[str, bool]]:
    """URIs of what values refer to, and whether each is a folder; what an offloaded value refers to is not looked at."""
    for literal in literals:
        kind = literal.WhichOneof("value")
        if kind == "blob":
            yield literal.blob.uri, literal.blob.multipart
        elif kind == "structured_dataset":
            yield literal.structured_dataset.uri, False
        elif kind == "offloaded":
            yield literal.offloaded.uri, False
        elif kind == "union_value":
            yield from references([literal.union_value.value])
        elif kind == "collection":
            yield from references(literal.collection.literals)
        elif kind == "map_value":
            yield from references(literal.map_value.literals.values())
        elif kind == "record":
            yield from references(literal.record.fields.values())
