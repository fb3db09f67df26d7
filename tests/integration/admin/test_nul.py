"""A NUL in a text is the caller's mistake: Postgres can hold none."""

import grpc
import pytest
import sqlalchemy as sa
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from limosa_admin.access import GRPC_METHODS
from limosa_admin.identity import Role
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.store.database import Database
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb

SERVICES = pb.DESCRIPTOR.services_by_name
PATHS = [path for path in GRPC_METHODS if path.split("/")[1].rpartition(".")[2] in SERVICES]


@pytest.mark.parametrize("statement", ["SELECT :a", "SELECT :a = ANY(CAST(:b AS text[]))"])
def test_a_statement_with_a_nul_is_refused(database: Database, statement: str) -> None:
    with pytest.raises(RequestError) as refused, database.transaction() as connection:
        connection.execute(
            sa.text(statement), {"a": "x\0" if ":b" not in statement else "x", "b": ["y", "x\0"]}
        )
    assert refused.value.reason is Reason.INVALID
    assert "NUL" in refused.value.message


def test_json_with_a_nul_is_refused(database: Database) -> None:
    with pytest.raises(RequestError) as refused, database.transaction() as connection:
        connection.execute(sa.text("SELECT CAST(:a AS jsonb)"), {"a": '{"a": "\\u0000"}'})
    assert refused.value.reason is Reason.INVALID


@pytest.mark.parametrize(
    "path",
    [
        "/runs/demo/development/%00",
        "/runs/demo/%00/a",
        "/runs/%00/development/a",
        "/runs/demo/development/%00/log",
        "/?project=%00",
        "/?domain=%00",
        "/?phase=%00",
        "/events?project=%00",
        "/download?uri=%00",
        "/login?token=%00",
        "/static/%00",
    ],
)
def test_a_page_of_a_name_with_a_nul_is_a_mistake_and_no_bug(site, path: str) -> None:
    status = site.http("GET", path, site.token(Role.ADMIN))[0]
    assert 400 <= status < 500


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("valid", [False, True])
def test_a_call_with_a_nul_is_a_mistake_and_no_bug(stand, path: str, valid: bool) -> None:
    """All texts with a NUL; then with a place that exists, so that the request gets as far as the database."""
    service, _, method = path.rpartition(".")[2].partition("/")
    descriptor = SERVICES[service].methods_by_name[method]
    request = GetMessageClass(descriptor.input_type)()
    fill(request, descriptor.input_type, valid, depth=2)
    channel = stand.channel()
    make = channel.unary_stream if descriptor.server_streaming else channel.unary_unary
    role = Role.OPERATOR if GRPC_METHODS[path] is Role.OPERATOR else Role.ADMIN
    metadata = [("authorization", f"Bearer {stand.token(role)}")]
    code = grpc.StatusCode.OK
    try:
        answer = make(path)(request.SerializeToString(), metadata=metadata, timeout=20)
        if descriptor.server_streaming:
            next(answer)
    except grpc.RpcError as error:
        code = error.code()
    assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED)


def fill(message: Message, descriptor: Descriptor, valid: bool, depth: int) -> None:
    for field in descriptor.fields:
        if field.is_repeated:
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            place = {"project": "demo", "domain": "development"} if valid else {}
            setattr(message, field.name, place.get(field.name, "a\0"))
        elif field.type == FieldDescriptor.TYPE_MESSAGE and depth and field.containing_oneof is None:
            fill(getattr(message, field.name), field.message_type, valid, depth - 1)
