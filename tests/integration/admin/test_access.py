"""Every method and route refuses who may not call it."""

import datetime as dt
import json
import urllib.parse

import grpc
import pytest

from limosa_admin.access import GRPC_METHODS, HTTP_ROUTES, RegistryError
from limosa_admin.identity import Role
from limosa_admin.rpc.server import grpc_server
from limosa_admin.store import tokens
from limosa_admin.web.site import application
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_model.attempt_tokens import AttemptClaims, make_token
from limosa_model.names import format_epoch

UNDERPRIVILEGED = {
    Role.VIEWER: Role.OPERATOR,
    Role.CONTRIBUTOR: Role.VIEWER,
    Role.ADMIN: Role.CONTRIBUTOR,
    Role.OPERATOR: Role.ADMIN,
    Role.ATTEMPT: Role.OPERATOR,
}
STREAMS = {"WatchRun", "TailLogs", "Watch"}


def call(channel: grpc.Channel, path: str, token: str | None, body: bytes = b"") -> grpc.StatusCode:
    metadata = [] if token is None else [("authorization", f"Bearer {token}")]
    try:
        if path.rpartition("/")[2] in STREAMS:
            next(channel.unary_stream(path)(body, metadata=metadata, timeout=20))
        else:
            channel.unary_unary(path)(body, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def test_every_method_of_the_idl_has_a_role() -> None:
    services = pb.DESCRIPTOR.services_by_name.values()
    methods = {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}
    assert methods == {path for path in GRPC_METHODS if "limosa_idl" in path}


def test_every_grpc_method_refuses_strangers_and_lesser_roles(stand) -> None:
    channel = stand.channel()
    issued = {role: stand.token(role) for role in UNDERPRIVILEGED if role is not Role.ATTEMPT}
    stand.register()
    stand.create()
    (desired,) = stand.sync()
    claims = AttemptClaims(desired.run_uid, "n0", format_epoch(desired.epoch), 0)
    issued[Role.ATTEMPT] = make_token(desired.call_key, claims)
    for path, needed in GRPC_METHODS.items():
        if needed is Role.PUBLIC:
            assert call(channel, path, None) is grpc.StatusCode.OK, path
            continue
        assert call(channel, path, None) is grpc.StatusCode.UNAUTHENTICATED, path
        assert call(channel, path, "lim_unknown") is grpc.StatusCode.UNAUTHENTICATED, path
        lesser = issued[UNDERPRIVILEGED[needed]]
        assert call(channel, path, lesser) is grpc.StatusCode.PERMISSION_DENIED, path
        allowed = call(channel, path, issued[needed])
        assert allowed not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED), path


def test_every_http_route_refuses_strangers_and_lesser_roles(site) -> None:
    issued = {role: site.token(role) for role in UNDERPRIVILEGED if role is not Role.ATTEMPT}
    for name, needed in HTTP_ROUTES.items():
        method, template = name.split(" ")
        path = template.format(
            project="demo", domain="development", name="a", file="limosa.css", ticket="a.b"
        )
        status, headers, _ = site.http(method, path)
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        if needed is Role.PUBLIC:
            # A ticket and a login link are proofs of their own.
            expected = 403 if "ticket" in template else 401 if template == "/login" else None
            assert status == expected if expected else status < 400, name
            continue
        assert status == 401, name
        assert site.http(method, path, "lim_unknown")[0] == 401, name
        assert site.http(method, path, issued[UNDERPRIVILEGED[needed]])[0] == 403, name


REQUESTS = {
    "RegistryService/Register": pb.RegisterRequest(project="demo", domain="development", version="v"),
    "RegistryService/GetEntity": pb.GetEntityRequest(
        id=pb.EntityId(kind=pb.ENTITY_KIND_TASK, project="demo", domain="development", name="a")
    ),
    "RegistryService/ListEntities": pb.ListEntitiesRequest(project="demo", domain="development"),
    "RunService/CreateRun": pb.CreateRunRequest(project="demo", domain="development", name="a"),
    "RunService/ListRuns": pb.ListRunsRequest(project="demo"),
    "CacheService/ListCache": pb.ListCacheRequest(project="demo", domain="development"),
    "CacheService/InvalidateCache": pb.InvalidateCacheRequest(
        project="demo", domain="development", task="demo.t"
    ),
    "ClusterService/LoseCluster": pb.LoseClusterRequest(name="c1"),
    "TransferService/SignUpload": pb.SignUploadRequest(project="demo", domain="development"),
    **{
        f"RunService/{name}": request(id=pb.RunId(project="demo", domain="development", name="calm-heron-1"))
        for name, request in (
            ("GetRun", pb.GetRunRequest),
            ("AbortRun", pb.AbortRunRequest),
            ("ResumeRun", pb.ResumeRunRequest),
            ("SignalRun", pb.SignalRunRequest),
            ("DeleteRun", pb.DeleteRunRequest),
            ("WatchRun", pb.WatchRunRequest),
            ("GetRunData", pb.GetRunDataRequest),
            ("TailLogs", pb.TailLogsRequest),
        )
    },
}


def test_a_token_of_another_project_reaches_nothing(stand) -> None:
    stand.register()
    stand.create()
    root = stand.settings.store.url
    requests = {
        **REQUESTS,
        "TransferService/SignDownload": pb.SignDownloadRequest(uri=f"{root}/demo/development/uploads/a/b"),
        "TransferService/ListObjects": pb.ListObjectsRequest(uri=f"{root}/demo/development/uploads"),
    }
    limited = {f"/limosa_idl.admin.v1alpha1.{name}" for name in requests}
    unlimited = {
        path for path, role in GRPC_METHODS.items() if role in (Role.PUBLIC, Role.OPERATOR, Role.ATTEMPT)
    }
    # Clusters belong to no project.
    unlimited.add("/limosa_idl.admin.v1alpha1.ClusterService/ListClusters")
    assert limited | unlimited == set(GRPC_METHODS)
    token = stand.token(Role.ADMIN, "other")
    channel = stand.channel()
    for name, request in requests.items():
        path = f"/limosa_idl.admin.v1alpha1.{name}"
        code = call(channel, path, token, request.SerializeToString())
        assert code is grpc.StatusCode.PERMISSION_DENIED, name


def test_pages_of_another_project_are_refused(site) -> None:
    token = site.token(Role.ADMIN, "other")
    for path in (
        "/?project=demo",
        "/runs/demo/development/a",
        "/runs/demo/development/a/events",
        f"/download?uri={urllib.parse.quote(site.store.uri('demo/development/uploads/a'))}",
    ):
        assert site.http("GET", path, token)[0] == 403, path


def without(registry, name: str):
    return {key: role for key, role in registry.items() if key != name}


GET_RUN = "/limosa_idl.admin.v1alpha1.RunService/GetRun"


@pytest.mark.parametrize(
    ("methods", "routes", "expected"),
    [
        (without(GRPC_METHODS, GET_RUN), without(HTTP_ROUTES, "GET /"), "is served without a role"),
        ({**GRPC_METHODS, "/x/Y": Role.PUBLIC}, {**HTTP_ROUTES, "GET /x": Role.PUBLIC}, "is not served"),
    ],
)
def test_the_server_does_not_start_when_registry_and_services_differ(
    stand, monkeypatch, methods, routes, expected: str
) -> None:
    monkeypatch.setattr("limosa_admin.rpc.router.GRPC_METHODS", methods)
    monkeypatch.setattr("limosa_admin.web.site.HTTP_ROUTES", routes)
    with pytest.raises(RegistryError, match=f"gRPC: .*{expected}"):
        grpc_server(stand.parts)
    with pytest.raises(RegistryError, match=f"HTTP: .*{expected}"):
        application(stand.parts)


def test_a_revoked_or_expired_token_ends_at_once(stand) -> None:
    token = stand.token(Role.VIEWER)
    client = stand.client(token)
    client.runs.ListRuns(pb.ListRunsRequest())
    with stand.database.transaction() as connection:
        identity = tokens.find(connection, token)
        assert identity is not None
        tokens.revoke(connection, identity.token_id)
        past = dt.datetime.now(dt.timezone.utc) - dt.timedelta(seconds=1)
        tokens.create(connection, "lim_expired", "old", Role.VIEWER, (), past)
    assert call(stand.channel(), "/limosa_idl.admin.v1alpha1.RunService/ListRuns", "lim_expired") is (
        grpc.StatusCode.UNAUTHENTICATED
    )
    # Word of it comes by notification.
    for _ in range(200):
        if call(stand.channel(), "/limosa_idl.admin.v1alpha1.RunService/ListRuns", token) is (
            grpc.StatusCode.UNAUTHENTICATED
        ):
            break
    else:
        pytest.fail("the revoked token is still accepted")


def test_a_login_link_works_once_and_becomes_a_cookie(site) -> None:
    token = site.token(Role.VIEWER)
    status, _, body = site.http("POST", "/api/v1/login-links?next=/runs/demo/development/a", token)
    assert status == 200
    url = json.loads(body)["url"]
    status, headers, _ = site.http("GET", url)
    assert (status, headers["location"]) == (303, "/runs/demo/development/a")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert token not in cookie
    session = cookie.split(";")[0]
    assert site.http("GET", "/", Cookie=session)[0] == 200
    assert site.http("GET", url, Cookie=session)[0] == 303
    status, _, body = site.http("GET", url)
    assert status == 401
    assert "`limosa demo status`" in json.loads(body)["error"]
    site.http("GET", "/logout", Cookie=session)
    for _ in range(200):
        if site.http("GET", "/", Cookie=session)[0] == 401:
            break
    else:
        pytest.fail("the session is still accepted")


def test_an_address_that_nothing_serves_is_a_page_with_a_way_back(site) -> None:
    status, headers, body = site.http("GET", "/nope", Accept="text/html")
    assert (status, b"there is no such page" in body, b'href="/"' in body) == (404, True, True)
    assert headers["x-frame-options"] == "DENY"
    assert json.loads(site.http("GET", "/nope")[2]) == {"error": "there is no such page"}
    status, headers, body = site.http("POST", "/healthz")
    assert (status, json.loads(body)) == (405, {"error": "Method Not Allowed"})
    assert sorted(headers["allow"].split(", ")) == ["GET", "HEAD"]


def test_a_login_leads_back_to_the_page_that_asked_for_it(site) -> None:
    token = site.token(Role.VIEWER)
    wanted = "/runs/demo/development/a?node=n0%2Fn1&index=2"
    status, headers, body = site.http("GET", wanted, Accept="text/html")
    assert status == 401
    assert b"<code>limosa demo status</code>" in body
    kept = headers["set-cookie"].split(";")[0]
    failed = site.http("GET", "/login?token=wrong", Accept="text/html", Cookie=kept)
    assert (failed[0], failed[1].get("set-cookie")) == (401, None)
    headers = site.http("GET", f"/login?token={token}", Cookie=kept)[1]
    assert headers["location"] == wanted
    name = kept.split("=")[0]
    headers = site.http("GET", f"/login?token={token}", Cookie=f"{name}=//evil.example")[1]
    assert headers["location"] == "/"


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:x"]
)
def test_a_login_never_leads_to_another_site(site, target: str) -> None:
    token = site.token(Role.VIEWER)
    query = urllib.parse.urlencode({"token": token, "next": target})
    assert site.http("GET", f"/login?{query}")[1]["location"] == "/"


def test_a_foreign_host_name_gets_nothing(site) -> None:
    token = site.token(Role.VIEWER)
    assert site.http("GET", "/", token)[0] == 200
    assert site.http("GET", "/", token, Host="evil.example")[0] == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "{own}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "{own}.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, 403),
    ],
)
def test_pages_of_other_sites_get_nothing(site, headers: dict[str, str], status: int) -> None:
    token = site.token(Role.VIEWER)
    sent = {name: value.format(own=site.admin.http_url) for name, value in headers.items()}
    assert site.http("GET", "/", token, **sent)[0] == status
    made = site.http("POST", "/api/v1/login-links", token, **sent)[0]
    assert (made == 403) == (status == 403 or "cross-site" in headers.values())
