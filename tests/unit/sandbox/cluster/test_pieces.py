"""Small pieces on their own: access, durations, quantities, JSON paths, protobuf, request paths."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

import pytest

from limosa_sandbox.cluster import builtin, jsonpath, protobuf
from limosa_sandbox.cluster.access import Gate
from limosa_sandbox.cluster.durations import age, parse_timestamp, short
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.paging import _KEPT, Pages
from limosa_sandbox.cluster.quantities import canonical, parse_quantity
from limosa_sandbox.cluster.requests import Target, parse_accept, parse_path
from limosa_sandbox.cluster.structural import Schema


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api", {"Authorization": "Bearer secret"}),
        ("/bearer/secret/api", {}),
        ("/bearer/secret/api", {"Authorization": "Bearer secret"}),
        (
            "/api",
            {"Authorization": "Bearer secret", "Host": "localhost:1234", "Origin": "http://127.0.0.1:99"},
        ),
        ("/api", {"Authorization": "Bearer secret", "Host": "[::1]:1234"}),
    ],
)
def test_the_gate_admits(path, headers):
    assert Gate("secret").admit(path, headers) == "/api"


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/api", {}, 401),
        ("/api", {"Authorization": "Bearer other"}, 401),
        ("/bearer/other/api", {}, 401),
        ("/bearer/secretapi", {}, 401),
        ("/api", {"Authorization": "Bearer secret", "Host": "evil.example:80"}, 403),
        ("/api", {"Authorization": "Bearer secret", "Host": "127.0.0.1.evil.example"}, 403),
        ("/api", {"Authorization": "Bearer secret", "Origin": "https://evil.example"}, 403),
        ("/api", {"Authorization": "Bearer secret", "Origin": "null"}, 403),
        ("/healthz", {"Host": "evil.example"}, 403),
    ],
)
def test_the_gate_refuses(path, headers, code):
    with pytest.raises(ApiError) as caught:
        Gate("secret").admit(path, headers)
    assert caught.value.code == code


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez", "/version"])
def test_health_needs_no_token(path):
    assert Gate("secret").admit(path, {}) == path


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (600, "10m"), (10_799, "179m"), (10_800, "3h"), (12_000, "3h20m"),
        (28_800, "8h"), (172_799, "47h"), (172_800, "2d"), (180_000, "2d2h"), (691_200, "8d"), (63_072_000, "2y"), (-5, "<invalid>"),
    ],
)  # fmt: skip
def test_durations(seconds, shown):
    assert short(seconds) == shown


def test_ages():
    now = datetime(2026, 1, 1, 0, 1, tzinfo=timezone.utc)
    assert age("2026-01-01T00:00:00Z", now) == "60s"
    assert age("2026-01-01T02:00:00.123456789+02:00", now) == "59s"
    assert age(None, now) == "<unknown>"
    assert age("yesterday", now) == "<unknown>"
    assert parse_timestamp("2026-13-01T00:00:00Z") is None


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", "1"),
        ("100m", "0.1"),
        ("1.5Gi", "1610612736"),
        ("2e3", "2000"),
        ("1E", str(10**18)),
        ("5u", "0.000005"),
        (".5", "0.5"),
        ("-1", "-1"),
    ],
)
def test_quantities(text, amount):
    assert parse_quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "fast", "1 Gi", "1gi", "1.2.3", "Gi", "1ee3"])
def test_texts_that_are_no_quantities(text):
    with pytest.raises(ValueError, match="quantities must match"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("amount", "shown"), [("0.5", "500m"), ("1073741824", "1Gi"), ("3", "3"), ("0", "0"), ("1500", "1500")]
)
def test_canonical_quantities(amount, shown):
    assert canonical(Decimal(amount)) == shown


OBJECT = {
    "status": {
        "phase": "Up",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "False"}],
        "on": True,
    },
    "metadata": {"labels": {"a.b/c": "x"}},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".status.phase", ["Up"]),
        ("{.status.phase}", ["Up"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type!='Ready')].status", ["False"]),
        (".status.conditions[0].type", ["Ready"]),
        (".status.conditions[-1].type", ["Old"]),
        (".status.conditions[*].type", ["Ready", "Old"]),
        (".metadata.labels['a.b/c']", ["x"]),
        (r".metadata.labels.a\.b/c", ["x"]),
        (".status.none.deeper", []),
        ("..status[", []),
    ],
)
def test_json_paths(path, found):
    assert jsonpath.find(OBJECT, path) == found


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target("", "v1", "", "pods")),
        ("/api/v1/namespaces/a/pods/p/log", Target("", "v1", "a", "pods", "p", "log")),
        ("/api/v1/namespaces/a", Target("", "v1", "", "namespaces", "a")),
        ("/api/v1/namespaces/a/status", Target("", "v1", "", "namespaces", "a", "status")),
        ("/apis/x.dev/v1/namespaces/a/things/t/status", Target("x.dev", "v1", "a", "things", "t", "status")),
        ("/apis/x.dev/v1/things", Target("x.dev", "v1", "", "things")),
        ("/apis/x.dev/v1", None),
        ("/api/v1", None),
        ("/api/v1/namespaces/a/pods/p/log/more", None),
    ],
)
def test_request_paths(path, target):
    assert parse_path(path) == target


def test_the_first_served_form_is_chosen():
    kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    assert parse_accept(kubectl, {}).shape == "table"
    assert parse_accept("application/vnd.kubernetes.protobuf,application/json", {}).shape == "object"
    with pytest.raises(ApiError):
        parse_accept("application/yaml", {})


def test_forgotten_pages_are_gone():
    pages = Pages()
    _, token, _ = pages.first([1, 2, 3], 7, 1)
    assert pages.next(token, 1)[0] == [2]
    for _ in range(_KEPT):
        pages.first([1, 2], 7, 1)
    with pytest.raises(ApiError) as caught:
        pages.next(token, 1)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")


def varint(number):
    head, rest = bytearray(), number
    while rest > 0x7F:
        head.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*head, rest])


def field(number, payload):
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def message(version, kind, raw):
    return b"k8s\x00" + field(1, field(1, version) + field(2, kind)) + field(2, raw)


def test_protobuf_objects():
    meta = field(1, b"s") + field(8, b"") + field(11, field(1, b"k") + field(2, b""))
    data = field(2, field(1, b"key") + field(2, b"\x00\xff"))
    found = protobuf.decode_message(
        message(b"v1", b"Secret", field(1, meta) + data + field(3, b"Opaque") + field(5, 1))
    )
    assert found == {
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": True, "data": {"key": "AP8="},
        "metadata": {"name": "s", "labels": {"k": ""}},
    }  # fmt: skip


def test_protobuf_structs_without_a_name_belong_to_their_parent():
    found = protobuf._message(
        field(1, b"v") + field(2, field(19, field(1, field(1, b"cfg")))), "io.k8s.api.core.v1.Volume"
    )
    assert found == {"name": "v", "configMap": {"name": "cfg"}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", 400),
        (b"k8s\x00\xff", 400),
        (message(b"v1", b"Secret", b"\x0a\x7f"), 400),
        (message(b"apps/v1", b"Deployment", b""), 415),
        (b"k8s\x00" + bytes([1 << 3 | 3]), 400),
    ],
)
def test_protobuf_that_cannot_be_read(body, code):
    with pytest.raises(ApiError) as caught:
        protobuf.decode_message(body)
    assert caught.value.code == code


def test_every_encoded_type_has_a_schema_with_the_same_fields():
    schemas = builtin.documents()
    unknown = [
        f"{name}.{field_}"
        for name, fields in protobuf._fields().items()
        for field_, _ in fields.values()
        if name in schemas and field_ and field_ not in schemas[name].get("properties", {})
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer", "multipleOf": 5}, 10, 12),
        ({"type": "number", "maximum": 1, "exclusiveMaximum": True}, 0.5, 1),
        ({"type": "string", "minLength": 2}, "ab", "a"),
        ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00Z", "2026-01-01"),
        (
            {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            ["a", "b"],
            ["a", "a"],
        ),
        (
            {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "string"}},
            {"a": "b"},
            {"a": "b", "c": "d"},
        ),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1, []),
        ({"oneOf": [{"minimum": 5}, {"maximum": 10}], "type": "integer"}, 11, 7),
        ({"not": {"type": "string"}}, 1, "a"),
        ({"allOf": [{"minimum": 5}], "type": "integer"}, 6, 4),
        ({"type": "string", "nullable": True}, None, 1),
    ],
)
def test_schema_rules(schema, good, bad):
    assert Schema(schema).check(good, "x") == []
    assert Schema(schema).check(bad, "x") != []
