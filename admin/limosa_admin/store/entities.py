"""Registered tasks, workflows and launch plans."""

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.dialects.postgresql import insert

from limosa_admin.store.schema import entities, specs
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.interface_pb2 import Interface
from limosa_model.digests import sha256_hex


@dataclasses.dataclass(frozen=True)
class NewEntity:
    """Something to register.

    Attributes:
        id: With its version.
        body: The serialised spec, kept as it is.
        meaning: The same for equal specs however they are serialised.
        interface: What it takes and gives.
    """

    id: pb.EntityId
    body: bytes
    meaning: str
    interface: Interface


class VersionTakenError(Exception):
    """The version has another spec for this entity."""

    def __init__(self, entity: pb.EntityId) -> None:
        super().__init__(entity.name)
        self.entity = entity


def add(
    connection: sa.Connection, new: Sequence[NewEntity], created_by: str
) -> list[pb.RegisterResponse.Registered]:
    """Registers all, or raises VersionTakenError, upon which the caller's transaction must not be committed."""
    registered = []
    # One order for everybody, so that two registrations of the same entities cannot lock each other out.
    for entity in sorted(new, key=lambda entity: (entity.id.kind, entity.id.name)):
        digest = add_spec(connection, entity.body)
        row = {
            "kind": entity.id.kind,
            "project": entity.id.project,
            "domain": entity.id.domain,
            "name": entity.id.name,
            "version": entity.id.version,
            "digest": digest,
            "meaning": entity.meaning,
            "interface": entity.interface.SerializeToString(),
            "created_by": created_by,
        }
        statement = insert(entities).values(row).on_conflict_do_nothing().returning(entities.c.id)
        created = connection.execute(statement).first() is not None
        if not created:
            known = connection.execute(sa.select(entities).where(*_is(entity.id))).mappings().one()
            if known["meaning"] != entity.meaning:
                raise VersionTakenError(entity.id)
            digest = known["digest"]
        registered.append(pb.RegisterResponse.Registered(id=entity.id, digest=digest, created=created))
    return registered


def add_spec(connection: sa.Connection, body: bytes) -> str:
    """Keeps the bytes of a spec; returns their digest."""
    digest = sha256_hex(body)
    connection.execute(insert(specs).values(digest=digest, body=body).on_conflict_do_nothing())
    return digest


def spec(connection: sa.Connection, digest: str) -> bytes:
    """The bytes of a spec that a row of another table refers to."""
    return bytes(connection.execute(sa.select(specs.c.body).where(specs.c.digest == digest)).scalar_one())


def find(connection: sa.Connection, entity: pb.EntityId) -> tuple[pb.Entity, bytes] | None:
    """An entity without its spec, and the spec's bytes; the newest where no version is given."""
    query = sa.select(entities, specs.c.body).join(specs).where(*_is(entity))
    row = connection.execute(query.order_by(entities.c.id.desc()).limit(1)).mappings().first()
    return None if row is None else (to_message(row), bytes(row["body"]))


def list_page(
    connection: sa.Connection, request: pb.ListEntitiesRequest, limit: int, before: int | None
) -> tuple[list[pb.Entity], int | None]:
    """A page, newest first, and where the next one begins (None at the end)."""
    given = {"kind": request.kind, "project": request.project, "domain": request.domain, "name": request.name}
    query = sa.select(entities).where(*(entities.c[key] == value for key, value in given.items() if value))
    if before is not None:
        query = query.where(entities.c.id < before)
    rows = connection.execute(query.order_by(entities.c.id.desc()).limit(limit + 1)).mappings().all()
    following = rows[limit - 1]["id"] if len(rows) > limit else None
    return [to_message(row) for row in rows[:limit]], following


def names(connection: sa.Connection, entity: pb.EntityId) -> list[str]:
    """Some names registered beside an entity's, for "did you mean"."""
    beside = [entities.c.project == entity.project, entities.c.domain == entity.domain]
    if entity.kind:
        beside.append(entities.c.kind == entity.kind)
    query = sa.select(entities.c.name).where(*beside).distinct().limit(500)
    return sorted(connection.execute(query).scalars())


def to_message(row: sa.RowMapping) -> pb.Entity:
    """A row as an Entity without its spec."""
    created_at = Timestamp()
    created_at.FromDatetime(row["created_at"])
    fields = {key: row[key] for key in ("kind", "project", "domain", "name", "version")}
    return pb.Entity(
        id=pb.EntityId(**fields),
        digest=row["digest"],
        created_at=created_at,
        created_by=row["created_by"],
        interface=Interface.FromString(bytes(row["interface"])),
    )


def _is(entity: pb.EntityId) -> list[sa.ColumnElement[bool]]:
    keys = ["kind", "project", "domain", "name"] + (["version"] if entity.version else [])
    return [entities.c[key] == getattr(entity, key) for key in keys]
