"""What an operator process is told, once, when it starts."""

import argparse
import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from limosa_engine.settings import EngineSettings
from limosa_model.large_values import VARIABLE as VALUE_BYTES
from limosa_model.quantity import QuantityError, parse_quantity
from limosa_propeller.pods.allowances import VARIABLE, Allowances, parse_allowances
from limosa_propeller.pods.packages import parse_packages_volume
from limosa_propeller.pods.shapes import Shapes, parse_shapes

_Given = TypeVar("_Given")
_Read = TypeVar("_Read")

DEFAULT_TASK_IMAGE = "limosa/task:latest"


class SettingsError(ValueError):
    """A flag or variable cannot be used; the message names it, what it holds and what is expected."""


@dataclasses.dataclass(frozen=True)
class PodSettings:
    """What every pod of this cluster gets unless its task says otherwise."""

    task_image: str = DEFAULT_TASK_IMAGE
    image_pull_policy: str = "IfNotPresent"
    run_as_user: int = 65532
    """Numeric user and fs group; 0 is refused."""
    accelerator_label: str = "limosa.dev/accelerator"
    """Node label that holds the device class a task asks for by `accelerator`."""
    gpu_resource: str = "nvidia.com/gpu"
    interruptible_taint: str = "limosa.dev/interruptible"
    """Taint of nodes that can be taken away; tasks that allow it tolerate it."""
    service_account: str = ""
    """Service account of task pods; empty: the namespace's default. Its token is never mounted."""
    pull_secrets: tuple[str, ...] = ()
    """Names of Secrets of each namespace with which images are pulled."""
    interruptible: bool = False
    """Whether tasks that do not say may run on capacity that can be taken away."""
    shapes: Shapes = dataclasses.field(default_factory=Shapes)
    """What node classes, capacity and priorities mean on this cluster."""
    allowances: Allowances = dataclasses.field(default_factory=Allowances)
    """What pod templates may ask for beyond the platform's rules."""
    most_memory: str = ""
    """What attempts after an out-of-memory kill get at most; empty: as the task says."""
    default_cpu: str = "250m"
    """Requested where a task does not say."""
    default_memory: str = "512Mi"
    """Requested, and the limit, where a task does not say."""
    eager_cpu: str = "50m"
    """In place of `default_cpu` for eager tasks, which mostly wait."""
    eager_memory: str = "256Mi"
    """In place of `default_memory`, likewise."""
    packages_volume: Mapping[str, Any] | None = None
    """Volume in which tasks' packages are unpacked once for all pods that have it; None: each pod unpacks its own."""
    admin_endpoint: str = ""
    """host:port of admin's gRPC server as pods reach it; empty where there is no admin."""
    admin_ca: str = ""
    """PEM of the authority that signed admin's certificate; empty: plain text."""


@dataclasses.dataclass(frozen=True)
class AdminSettings:
    """Where the control plane is."""

    endpoint: str
    """host:port of its gRPC server."""
    token_file: Path | None = None
    """Read again for every connection."""
    ca_file: Path | None = None
    """PEM of the authority that signed admin's certificate; None: plain text."""
    max_runs: int = 200
    """Runs this cluster holds at a time; 0 takes no new ones."""


@dataclasses.dataclass(frozen=True)
class OperatorSettings:
    """Everything an operator process is told."""

    namespaces: tuple[str, ...] = ()
    """Namespaces served; empty: all."""
    cluster_name: str = "local"
    """For people."""
    admin: AdminSettings | None = None
    """None: only runs applied by hand."""
    pods: PodSettings = PodSettings()
    kubeconfig: str = ""
    """Path; empty: the pod's own service account, else ~/.kube/config."""
    lease_namespace: str = "default"
    lease_name: str = "limosa-propeller"
    lease_seconds: int = 10
    """How long a leader's lease lasts unless renewed; another takes over within a third more."""
    shards: int = 1
    """Shares that the cluster's runs are divided into; each is led by one process, a process may lead several."""
    liveness_endpoint: str = ""
    """URL on which /healthz is served ("http://127.0.0.1:8080/healthz"); empty: not served."""
    resync_seconds: float = 45.0
    """Between full reads that heal what events missed; jittered by a third."""
    status_interval_seconds: float = 0.5
    """Least time between two status patches of a run, where no launch waits for one."""
    status_bytes_per_second: int = 50_000
    """A patch of n bytes is followed by at least n ÷ this seconds of quiet for its run."""
    status_patches_per_second: int = 100
    """Of all runs together, those left out that something waits for."""
    removal_gathering_seconds: float = 0.05
    """How long pods that may go wait for others, to go with one request."""
    pods_per_run: int = 100
    """Pods of one run that have not ended, at most."""
    pods_per_namespace: int = 500
    pods_per_cluster: int = 2000
    unschedulable_per_run: int = 20
    """Pods of one run that no node has room for; while there are so many it gets no further ones."""
    unschedulable: int = 200
    """The same of all runs together."""
    pending_timeout_seconds: float | None = None
    """How long a pod may wait for a node that takes it; None: for ever."""
    requests_in_flight: int = 64
    """Pods that are asked for at a time, over all runs; a quarter as many other writes find room beside them."""
    value_bytes: int = EngineSettings.value_bytes
    """Most bytes of a value that is read to decide what comes next."""
    store_threads: int = 8
    """Threads that wait for the object store."""
    traces_endpoint: str = ""
    """OTLP over HTTP, where OpenTelemetry traces of admin's runs go ("http://collector:4318/v1/traces"); empty: none."""
    log_level: str = "INFO"
    log_format: str = "json"
    """ "json" or "text"."""


def parse_settings(argv: Sequence[str], environ: Mapping[str, str]) -> OperatorSettings:
    """Reads flags and, where a flag is not given, the environment. Raises SettingsError."""
    given = _parser(environ).parse_args(argv)
    for name in ("max_runs", "lease_seconds", "resync_seconds", "task_user", "shards", "value_bytes"):
        if getattr(given, name) < (0 if name == "max_runs" else 1):
            raise SettingsError(f"--{name.replace('_', '-')} is {getattr(given, name)}; it must be positive")
    admin = None
    if given.admin:
        if ":" not in given.admin:
            raise SettingsError(f"--admin is '{given.admin}'; write host:port")
        admin = AdminSettings(
            endpoint=given.admin,
            token_file=Path(given.admin_token_file) if given.admin_token_file else None,
            ca_file=Path(given.admin_ca_file) if given.admin_ca_file else None,
            max_runs=given.max_runs,
        )
    _check_quantity("--most-memory", given.most_memory)
    _check_traces("--traces", given.traces)
    namespaces = tuple(dict.fromkeys(part for text in given.namespace for part in text.split(",") if part))
    return OperatorSettings(
        namespaces=() if "all" in namespaces else namespaces,
        cluster_name=given.cluster_name,
        admin=admin,
        pods=PodSettings(
            task_image=given.task_image,
            image_pull_policy=given.image_pull_policy,
            run_as_user=given.task_user,
            service_account=given.task_service_account,
            accelerator_label=given.accelerator_label,
            pull_secrets=tuple(part.strip() for part in given.pull_secrets.split(",") if part.strip()),
            interruptible=given.interruptible == "true",
            shapes=_read("--shapes", given.shapes, parse_shapes),
            allowances=_read("--pods-may", given.pods_may.split(","), parse_allowances),
            most_memory=given.most_memory,
            packages_volume=_read("--packages-volume", given.packages_volume, parse_packages_volume),
            admin_endpoint=given.pods_admin or given.admin,
            admin_ca=_text("--admin-ca-file", given.admin_ca_file),
        ),
        kubeconfig=given.kubeconfig,
        lease_namespace=given.lease_namespace or _own_namespace(),
        lease_name=given.lease_name,
        lease_seconds=given.lease_seconds,
        shards=given.shards,
        liveness_endpoint=given.liveness,
        resync_seconds=float(given.resync_seconds),
        value_bytes=given.value_bytes,
        pending_timeout_seconds=_read("--pending-timeout", given.pending_timeout, _seconds_or_none),
        traces_endpoint=given.traces,
        log_level=given.log_level,
        log_format=given.log_format,
    )


class _Flag(NamedTuple):
    flag: str
    variable: str
    default: str
    text: str
    is_number: bool = False
    choices: tuple[str, ...] | None = None


_FLAGS = (
    _Flag("--admin", "LIMOSA_ADMIN_ENDPOINT", "", "host:port of admin; empty: none"),
    _Flag("--admin-token-file", "LIMOSA_ADMIN_TOKEN_FILE", "", "file with the operator's bearer token"),
    _Flag("--admin-ca-file", "LIMOSA_ADMIN_CA_FILE", "", "PEM of admin's authority; empty: plain text"),
    _Flag(
        "--pods-admin",
        "LIMOSA_PODS_ADMIN_ENDPOINT",
        "",
        "host:port of admin as eager pods reach it; empty: as --admin",
    ),
    _Flag("--max-runs", "LIMOSA_MAX_RUNS", "200", "runs held at a time; 0 drains", True),
    _Flag("--cluster-name", "LIMOSA_CLUSTER_NAME", "local", "name of this cluster, for people"),
    _Flag("--kubeconfig", "KUBECONFIG", "", "kubeconfig; empty: in-cluster"),
    _Flag("--task-image", "LIMOSA_TASK_IMAGE", DEFAULT_TASK_IMAGE, "image of tasks that name none"),
    _Flag("--image-pull-policy", "LIMOSA_IMAGE_PULL_POLICY", "IfNotPresent", "of task images"),
    _Flag("--task-user", "LIMOSA_TASK_USER", "65532", "numeric user and group of task pods", True),
    _Flag("--task-service-account", "LIMOSA_TASK_SERVICE_ACCOUNT", "", "service account of task pods"),
    _Flag(
        "--accelerator-label",
        "LIMOSA_ACCELERATOR_LABEL",
        PodSettings.accelerator_label,
        "node label of GPU classes",
    ),
    _Flag("--pull-secrets", "LIMOSA_PULL_SECRETS", "", "Secrets to pull images with, comma-separated"),
    _Flag(
        "--interruptible",
        "LIMOSA_INTERRUPTIBLE",
        "false",
        "for tasks that do not say",
        choices=("true", "false"),
    ),
    _Flag("--shapes", "LIMOSA_SHAPES", "", "JSON, or a file with it: node classes, capacity, priorities"),
    _Flag("--pods-may", VARIABLE, "", "what pod templates may ask for, comma-separated"),
    _Flag("--most-memory", "LIMOSA_MOST_MEMORY", "", "what attempts after an out-of-memory kill get at most"),
    _Flag(
        "--packages-volume",
        "LIMOSA_PACKAGES_VOLUME",
        "",
        "JSON of a volume where unpacked packages stay between pods; empty: none",
    ),
    _Flag(
        "--pending-timeout",
        "LIMOSA_PENDING_TIMEOUT",
        "",
        "seconds a pod may wait for a node; empty: for ever",
    ),
    _Flag(
        "--lease-namespace",
        "LIMOSA_LEASE_NAMESPACE",
        "",
        "where leadership is kept; empty: the operator's own",
    ),
    _Flag("--lease-name", "LIMOSA_LEASE_NAME", OperatorSettings.lease_name, "name of the Lease"),
    _Flag("--lease-seconds", "LIMOSA_LEASE_SECONDS", "10", "how long leadership lasts unrenewed", True),
    _Flag(
        "--shards", "LIMOSA_SHARDS", "1", "shares of the runs, the same for all operators of a cluster", True
    ),
    _Flag(
        "--resync-seconds",
        "LIMOSA_RESYNC_SECONDS",
        "45",
        "between full reads of the cluster, give or take a third",
        True,
    ),
    _Flag(
        "--value-bytes",
        VALUE_BYTES,
        str(OperatorSettings.value_bytes),
        "most bytes of a value that a condition, a computed node, a path or a map over it needs; each run may hold some in memory",
        True,
    ),
    _Flag("--liveness", "LIMOSA_LIVENESS_ENDPOINT", "", "URL of /healthz"),
    _Flag("--traces", "LIMOSA_TRACES_ENDPOINT", "", "OTLP/HTTP URL for traces of admin's runs; empty: none"),
    _Flag("--log-level", "LIMOSA_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR"),
    _Flag("--log-format", "LIMOSA_LOG_FORMAT", "json", "json or text", choices=("json", "text")),
)


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m limosa_propeller",
        description="Runs WorkflowRuns of this cluster. Each flag falls back to the variable in brackets.",
    )
    namespaces = [environ["LIMOSA_NAMESPACES"]] if environ.get("LIMOSA_NAMESPACES") else []
    parser.add_argument(
        "--namespace",
        action="append",
        default=namespaces,
        help="namespace served, or 'all' [LIMOSA_NAMESPACES]",
    )
    for one in _FLAGS:
        parser.add_argument(
            one.flag,
            default=environ.get(one.variable) or one.default,
            type=int if one.is_number else str,
            choices=one.choices,
            help=f"{one.text} [{one.variable}]",
        )
    return parser


def _read(flag: str, given: _Given, reader: Callable[[_Given], _Read]) -> _Read:
    try:
        return reader(given)
    except ValueError as error:
        raise SettingsError(f"{flag}: {error}") from error


def _text(flag: str, path: str) -> str:
    """What a file holds; empty for none. Raises SettingsError."""
    try:
        return Path(path).read_text() if path else ""
    except OSError as error:
        raise SettingsError(f"{flag} is '{path}', which cannot be read: {error.strerror}") from error


def _seconds_or_none(text: str) -> float | None:
    """Seconds above zero; None for nothing. Raises ValueError."""
    if not text:
        return None
    if not text.isdigit() or not int(text):
        raise ValueError(f"'{text}' is not a positive number of seconds, such as '600'")
    return float(text)


def _check_quantity(flag: str, text: str) -> None:
    try:
        parse_quantity(text or "0")
    except QuantityError as error:
        raise SettingsError(f"{flag}: {error}") from error


def _check_traces(flag: str, endpoint: str) -> None:
    if not endpoint:
        return
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{flag} is '{endpoint}'; write http://host:4318/v1/traces")
    if find_spec("opentelemetry") is None:
        raise SettingsError(f"{flag} needs OpenTelemetry: pip install 'limosa[otel]'")


def _own_namespace() -> str:
    path = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    return path.read_text().strip() if path.exists() else "default"


def describe_settings(settings: OperatorSettings) -> str:
    """The settings on one line, for the log. There is no secret among them."""
    return json.dumps(dataclasses.asdict(settings), default=_plain, sort_keys=True)


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else os.fspath(value)  # type: ignore[call-overload]
