"""The registry of every gRPC method and HTTP route with the role it needs.

Both transports refuse to start with a method or route that is not listed here, and with a row that nothing serves.
"""

from collections.abc import Iterable, Mapping

from limosa_admin.identity import Role

_ADMIN = "limosa_idl.admin.v1alpha1"

GRPC_METHODS: Mapping[str, Role] = {
    # Says who the caller is, and tells a caller without a token that it has none.
    f"/{_ADMIN}.ServerService/GetInfo": Role.PUBLIC,
    f"/{_ADMIN}.RegistryService/Register": Role.CONTRIBUTOR,
    f"/{_ADMIN}.RegistryService/GetEntity": Role.VIEWER,
    f"/{_ADMIN}.RegistryService/ListEntities": Role.VIEWER,
    f"/{_ADMIN}.RunService/CreateRun": Role.CONTRIBUTOR,
    f"/{_ADMIN}.RunService/GetRun": Role.VIEWER,
    f"/{_ADMIN}.RunService/ListRuns": Role.VIEWER,
    f"/{_ADMIN}.RunService/AbortRun": Role.CONTRIBUTOR,
    f"/{_ADMIN}.RunService/ResumeRun": Role.CONTRIBUTOR,
    f"/{_ADMIN}.RunService/SignalRun": Role.CONTRIBUTOR,
    f"/{_ADMIN}.RunService/DeleteRun": Role.CONTRIBUTOR,
    f"/{_ADMIN}.RunService/WatchRun": Role.VIEWER,
    f"/{_ADMIN}.RunService/GetRunData": Role.VIEWER,
    f"/{_ADMIN}.RunService/TailLogs": Role.VIEWER,
    f"/{_ADMIN}.CacheService/ListCache": Role.VIEWER,
    f"/{_ADMIN}.CacheService/InvalidateCache": Role.CONTRIBUTOR,
    f"/{_ADMIN}.ClusterService/ListClusters": Role.VIEWER,
    f"/{_ADMIN}.ClusterService/LoseCluster": Role.ADMIN,
    f"/{_ADMIN}.TransferService/SignUpload": Role.CONTRIBUTOR,
    f"/{_ADMIN}.TransferService/SignDownload": Role.VIEWER,
    f"/{_ADMIN}.TransferService/ListObjects": Role.VIEWER,
    f"/{_ADMIN}.OperatorService/Sync": Role.OPERATOR,
    f"/{_ADMIN}.OperatorService/Publish": Role.OPERATOR,
    f"/{_ADMIN}.OperatorService/LookupCache": Role.OPERATOR,
    f"/{_ADMIN}.OperatorService/StoreCache": Role.OPERATOR,
    f"/{_ADMIN}.OperatorService/LaunchChildren": Role.OPERATOR,
    # Whose calls they are is in the token.
    f"/{_ADMIN}.EagerService/SyncCalls": Role.ATTEMPT,
    # Probes of kubelets and load balancers carry no token.
    "/grpc.health.v1.Health/Check": Role.PUBLIC,
    "/grpc.health.v1.Health/Watch": Role.PUBLIC,
}

HTTP_ROUTES: Mapping[str, Role] = {
    "GET /healthz": Role.PUBLIC,
    "GET /readyz": Role.PUBLIC,
    "GET /metrics": Role.VIEWER,
    "GET /static/{file}": Role.PUBLIC,
    # Exchanges a token for a cookie.
    "GET /login": Role.PUBLIC,
    "GET /logout": Role.PUBLIC,
    # The address itself is the proof: signed by this server for one object, one verb and a short time.
    "GET /api/v1/objects/{ticket}": Role.PUBLIC,
    "PUT /api/v1/objects/{ticket}": Role.PUBLIC,
    "POST /api/v1/login-links": Role.VIEWER,
    "GET /": Role.VIEWER,
    "GET /events": Role.VIEWER,
    "GET /runs/{project}/{domain}/{name}": Role.VIEWER,
    "GET /runs/{project}/{domain}/{name}/events": Role.VIEWER,
    "GET /runs/{project}/{domain}/{name}/log": Role.VIEWER,
    "GET /download": Role.VIEWER,
}


class RegistryError(Exception):
    """What is served and what is registered differ, so nobody decided who may call it. The server does not start."""


def check_registry(transport: str, registered: Iterable[str], served: Iterable[str]) -> None:
    """Raises RegistryError unless both name the same methods or routes."""
    registered, served = set(registered), set(served)
    faults = [f"{name} is served without a role" for name in sorted(served - registered)]
    faults += [f"{name} has a role and is not served" for name in sorted(registered - served)]
    if faults:
        raise RegistryError(f"{transport}: {'; '.join(faults)}; see limosa_admin/access.py")
