"""Failures as values, and every code the platform gives them.

Decisions read `kind`, `code` and `retryable`; messages are for people.
"""

from collections.abc import Sequence

from limosa_idl.core.v1alpha1.failure_pb2 import (
    FAILURE_KIND_SYSTEM,
    FAILURE_KIND_USER,
    ExceptionDetails,
    Failure,
    FailureOrigin,
    Frame,
)

_INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders of what was installed; with a virtual environment in the project they lie below its source root."""


class Code:
    """Failure codes. Stable: scripts match on them."""

    # The author's code and data.
    USER_EXCEPTION = "UserException"
    IMPORT_FAILED = "ImportFailed"
    TASK_NOT_FOUND = "TaskNotFound"
    BAD_INPUT = "BadInput"
    BAD_OUTPUT = "BadOutput"
    OBJECT_MISSING = "ObjectMissing"
    RUN_DELETED = "RunDeleted"
    FILE_OUT_OF_REACH = "FileOutOfReach"
    EXITED = "Exited"
    CRASHED = "Crashed"
    OOM_KILLED = "OOMKilled"
    TIMEOUT = "Timeout"
    NODE_DEADLINE = "NodeDeadline"
    GATE_TIMEOUT = "GateTimeout"
    REJECTED = "Rejected"
    BRANCH_FAILED = "BranchFailed"
    BRANCH_CONDITION = "BranchCondition"
    CHECK_FAILED = "CheckFailed"
    COMPUTATION = "Computation"
    BINDING = "Binding"
    MAP_LENGTHS = "MapLengths"
    MAP_TOO_LARGE = "MapTooLarge"
    VALUE_TOO_LARGE = "ValueTooLarge"
    GRAPH_TOO_LARGE = "GraphTooLarge"
    DYNAMIC_TOO_DEEP = "DynamicTooDeep"
    CALL_FAILED = "CallFailed"
    CALL_MISMATCH = "CallMismatch"
    EAGER_WITHOUT_ADMIN = "EagerWithoutAdmin"
    STATE_TOO_LARGE = "StateTooLarge"
    CHILD_FAILED = "ChildFailed"
    CHILD_REFUSED = "ChildRefused"
    TOO_DEEP = "TooDeep"
    GRAPH_INVALID = "GraphInvalid"
    SPEC_CHANGED = "SpecChanged"
    FOREIGN_RUN = "ForeignRun"
    NAMESPACE_MISMATCH = "NamespaceMismatch"
    # The author's request, as the cluster sees it.
    IMAGE_PULL = "ImagePull"
    IMAGE_INVALID = "ImageInvalid"
    IMAGE_NOT_RUNNABLE = "ImageNotRunnable"
    SECRET_MISSING = "SecretMissing"
    CONFIG_ERROR = "ConfigError"
    POD_INVALID = "PodInvalid"
    POD_POLICY = "PodPolicy"
    POD_TEMPLATE_MISSING = "PodTemplateMissing"
    SERVICE_ACCOUNT_MISSING = "ServiceAccountMissing"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA = "Quota"
    PYTHON_MISMATCH = "PythonMismatch"
    BUNDLE_CORRUPT = "BundleCorrupt"
    PACKAGES_UNUSABLE = "PackagesUnusable"
    # The platform.
    POD_GONE = "PodGone"
    POD_FAILED = "PodFailed"
    KILLED = "Killed"
    NOT_CONFIGURED = "NotConfigured"
    POD_FORBIDDEN = "PodForbidden"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    POD_CONFLICT = "PodConflict"
    CAPACITY = "Capacity"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    PREEMPTED = "Preempted"
    NO_COMMIT = "NoCommit"
    STORE = "Store"
    CORRUPT_DATA = "CorruptData"
    CHILD_MISSING = "ChildMissing"
    CALL_REFUSED = "CallRefused"
    ADMIN_AWAITED = "AdminAwaited"
    STALE_CLAIM = "StaleClaim"
    API = "KubernetesApi"
    INTERNAL = "Internal"
    # Neither fault.
    ABORTED = "Aborted"
    UPSTREAM_FAILED = "UpstreamFailed"


def user(
    code: str,
    message: str,
    *,
    retryable: bool = False,
    origin: FailureOrigin | None = None,
    exception: ExceptionDetails | None = None,
    remedy: str = "",
) -> Failure:
    """A failure of the author's code, data or request."""
    return Failure(
        kind=FAILURE_KIND_USER,
        code=code,
        message=message,
        retryable=retryable,
        origin=origin,
        exception=exception,
        remedy=remedy,
    )


def system(
    code: str, message: str, *, retryable: bool = True, origin: FailureOrigin | None = None
) -> Failure:
    """A failure of the platform."""
    return Failure(kind=FAILURE_KIND_SYSTEM, code=code, message=message, retryable=retryable, origin=origin)


def telling_frame(frames: Sequence[Frame]) -> Frame:
    """The innermost frame of the author's own code, else the innermost of all.

    Args:
        frames: At least one; the files of those outside the author's source root are absolute.
    """
    return next((frame for frame in reversed(frames) if _is_authors(frame.file)), frames[-1])


def _is_authors(file: str) -> bool:
    return not file.startswith(("/", "<")) and _INSTALLED.isdisjoint(file.split("/"))
