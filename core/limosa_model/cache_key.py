"""Cache keys: what must be equal for one launch's result to be another's.

A key is the sha256 over the task's identity (project, domain, name), its cache version, the types of its interface, the lock
of its packages where it has one, and a digest of every input that is not ignored. An input counts by its own digest where it has one (a hash method, the content
of a file, an offloaded value), else by its value. Where a value came from, and what stands in an interface for people,
decide nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping

from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_model.digests import digest_of, serialize
from limosa_model.targets import python_part

_LAYOUT = "limosa-cache-1"
"""Changes when the way keys are made does: old results are then not found, never mistaken."""
_PLAIN = frozenset(("primitive", "none", "enum_value", "struct_value"))
"""Values with no value inside that could have a digest or a provenance of its own."""


class CacheKeys:
    """The keys of one task's launches; what they share is hashed once."""

    def __init__(self, project: str, domain: str, task: TaskSpec) -> None:
        """Takes where the run is at home, and the task with its node's overrides applied."""
        self._ignored = frozenset(task.cache.ignored_inputs)
        base = hashlib.sha256()
        for text in (_LAYOUT, project, domain, task.name, task.cache.version):
            _add(base, text.encode())
        for side in (task.interface.inputs, task.interface.outputs):
            _add(base, interface_types(side))
        code = python_part(task)
        if code is not None and code.packages:
            _add(base, code.packages.encode())
        self._base = base.digest()

    def digests(self, inputs: Mapping[str, Literal]) -> dict[str, str]:
        """What stands for the inputs in a key; ignored ones are left out."""
        return {name: value_digest(value) for name, value in inputs.items() if name not in self._ignored}

    def key(self, digests: Mapping[str, str]) -> str:
        """The key (hex) of a launch with inputs of these digests."""
        hasher = hashlib.sha256(self._base)
        for name in sorted(digests):
            _add(hasher, name.encode())
            _add(hasher, digests[name].encode())
        return hasher.hexdigest()


def cache_key(project: str, domain: str, task: TaskSpec, inputs: Mapping[str, Literal]) -> str:
    """The key (hex) of one launch.

    Args:
        project: The run's.
        domain: The run's.
        task: With its node's overrides applied.
        inputs: Complete with defaults.
    """
    keys = CacheKeys(project, domain, task)
    return keys.key(keys.digests(inputs))


def value_digest(literal: Literal) -> str:
    """What stands for a value in a key: its own digest, else one of what it says.

    A value has the same one whether it travels inline or is offloaded, unless a value inside it has a digest of its own.
    """
    if literal.digest:
        return literal.digest
    kind = literal.WhichOneof("value")
    if kind == "offloaded":
        return literal.offloaded.digest or f"uri:{literal.offloaded.uri}"
    if kind in _PLAIN and not literal.HasField("provenance"):
        return digest_of(literal)
    return digest_of(_canonical(literal))


def _canonical(literal: Literal) -> Literal:
    """The value alone: no provenance, and where a value inside has a digest, only that."""
    kind = literal.WhichOneof("value")
    if literal.digest:
        return Literal(digest=literal.digest)
    if kind == "offloaded" and literal.offloaded.digest:
        return Literal(digest=literal.offloaded.digest)
    made = Literal()
    if kind == "collection":
        made.collection.SetInParent()
        made.collection.literals.extend(_canonical(item) for item in literal.collection.literals)
    elif kind == "map_value":
        # The order of a dict can be seen by the author's code; that of a record's fields is its type's.
        made.map_value.order.extend(literal.map_value.order)
        made.map_value.SetInParent()
        _fill(made.map_value.literals, literal.map_value.literals)
    elif kind == "record":
        made.record.SetInParent()
        _fill(made.record.fields, literal.record.fields)
    elif kind == "union_value":
        made.union_value.tag = literal.union_value.tag
        made.union_value.value.CopyFrom(_canonical(literal.union_value.value))
    else:
        made.CopyFrom(literal)
        made.ClearField("provenance")
    return made


def _fill(target: Mapping[str, Literal], source: Mapping[str, Literal]) -> None:
    for name, value in source.items():
        target[name].CopyFrom(_canonical(value))


def interface_types(variables: Iterable[Variable]) -> bytes:
    """Names and types of one side of an interface, whatever order they stand in."""
    hasher = hashlib.sha256()
    for variable in sorted(variables, key=lambda one: one.name):
        _add(hasher, variable.name.encode())
        _add(hasher, serialize(_bare(variable.type)))
    return hasher.digest()


def _bare(given: LiteralType) -> LiteralType:
    """A type without what is there for people."""
    made = LiteralType()
    made.CopyFrom(given)
    _strip(made)
    return made


def _strip(made: LiteralType) -> None:
    made.ClearField("hint")
    kind = made.WhichOneof("kind")
    if kind in ("collection", "map_value"):
        _strip(getattr(made, kind))
    elif kind == "union_type":
        for variant in made.union_type.variants:
            _strip(variant.type)
    elif kind == "record":
        made.record.ClearField("name")
        for field in made.record.fields:
            field.ClearField("description")
            _strip(field.type)
    elif kind == "structured_dataset":
        for column in made.structured_dataset.columns:
            _strip(column.type)


def _add(hasher: "hashlib._Hash", data: bytes) -> None:
    """Adds a part with its length, so that no two lists of parts look alike."""
    hasher.update(len(data).to_bytes(8, "big"))
    hasher.update(data)
