"""The gRPC server: services, bounds and threads put together."""

import concurrent.futures
import dataclasses
import threading
from collections.abc import Mapping

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2

from limosa_admin.authentication import Authenticator
from limosa_admin.children import Children
from limosa_admin.metrics import Metrics
from limosa_admin.rpc.cache_service import CacheService
from limosa_admin.rpc.cluster_service import ClusterService
from limosa_admin.rpc.eager_service import EagerService
from limosa_admin.rpc.health_service import HealthService
from limosa_admin.rpc.operator_service import OperatorService
from limosa_admin.rpc.places import Places
from limosa_admin.rpc.registry_service import RegistryService
from limosa_admin.rpc.router import Bounds, Router
from limosa_admin.rpc.run_service import RunService
from limosa_admin.rpc.server_service import ServerService
from limosa_admin.rpc.transfer_service import TransferService
from limosa_admin.run_view import RunView
from limosa_admin.settings import AdminSettings
from limosa_admin.store.arrivals import Arrivals
from limosa_admin.store.changes import Changes
from limosa_admin.store.database import Database
from limosa_admin.submission import Submissions
from limosa_admin.targets import Targets
from limosa_admin.transfers import Transfers
from limosa_idl.admin.v1alpha1 import admin_pb2
from limosa_store import Store


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the services of both transports stand on."""

    settings: AdminSettings
    database: Database
    store: Store
    changes: Changes
    authenticator: Authenticator
    transfers: Transfers
    view: RunView
    stopping: threading.Event
    metrics: Metrics = dataclasses.field(default_factory=Metrics)


def grpc_server(parts: Parts) -> grpc.Server:
    """A server with every service, bound to no port yet. Raises RegistryError."""
    settings = parts.settings
    bounds = {
        "unary": Bounds("calls", settings.unary_threads),
        "poll": Bounds("waiting operators", settings.long_poll_threads),
        "stream": Bounds("watches and log streams", settings.stream_threads),
    }
    router = Router(
        services(parts),
        parts.authenticator,
        parts.stopping,
        settings.max_message_bytes,
        bounds,
        parts.metrics,
    )
    threads = settings.unary_threads + settings.long_poll_threads + settings.stream_threads
    # A few more than the bounds, so that a call beyond them is answered and does not wait.
    pool = concurrent.futures.ThreadPoolExecutor(threads + 8, thread_name_prefix="grpc")
    return grpc.server(pool, handlers=[router], options=_options(settings))


def services(parts: Parts) -> Mapping[ServiceDescriptor, object]:
    """What implements each service of the IDL."""
    settings = parts.settings
    places = Places(settings.domains, parts.database)
    ours = admin_pb2.DESCRIPTOR.services_by_name
    arrivals = Arrivals(parts.database)
    submissions = Submissions(parts.database, arrivals, parts.store, parts.changes, Targets(parts.database))
    runs = RunService(parts.database, parts.store, parts.changes, places, parts.view, submissions)
    children = Children(parts.database, submissions, parts.view, settings.max_child_depth)
    operators = OperatorService(
        parts.database, parts.changes, children, settings.max_active_runs, settings.reclaim_after_s
    )
    info = ServerService(settings.public_url, settings.store.url, settings.sandbox)
    return {
        ours["ServerService"]: info,
        ours["RegistryService"]: RegistryService(parts.database, places),
        ours["RunService"]: runs,
        ours["CacheService"]: CacheService(parts.database, places),
        ours["ClusterService"]: ClusterService(parts.database),
        ours["TransferService"]: TransferService(parts.transfers, places),
        ours["OperatorService"]: operators,
        ours["EagerService"]: EagerService(parts.database),
        health_pb2.DESCRIPTOR.services_by_name["Health"]: HealthService(parts.database),
    }


def _options(settings: AdminSettings) -> list[tuple[str, int]]:
    return [
        # Twice what is taken, so that a request somewhat too large gets our message and not gRPC's.
        ("grpc.max_receive_message_length", 2 * settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Clients that vanished are noticed, and with them watches that nobody reads.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_ping_strikes", 0),
        # A port that another process holds is an error, not a share of its calls.
        ("grpc.so_reuseport", 0),
    ]
