"""API errors: what the server answers instead of an object, as Kubernetes ``Status`` objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    500: "InternalError",
    504: "Timeout",
    507: "InsufficientStorage",
}


@dataclass(frozen=True)
class Cause:
    """One field of an object that was refused.

    Attributes:
        field: Path of the field, such as ``spec.containers[0].name``.
        reason: ``FieldValueRequired``, ``FieldValueInvalid``, ``FieldValueForbidden``, ``FieldValueNotSupported`` …
        message: What is wrong with it, without the path.
    """

    field: str
    reason: str
    message: str


def required(field: str, detail: str = "") -> Cause:
    """Return the cause for a missing value of a field."""
    return Cause(field, "FieldValueRequired", "Required value" + (f": {detail}" if detail else ""))


def invalid(field: str, value: Any, detail: str) -> Cause:
    """Return the cause for a value that a field does not accept."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {_shown(value)}: {detail}")


def forbidden(field: str, detail: str) -> Cause:
    """Return the cause for a field that may not be set or changed."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {detail}")


def unsupported(field: str, value: Any, allowed: list[str]) -> Cause:
    """Return the cause for a value outside a closed set."""
    options = ", ".join(f'"{option}"' for option in sorted(allowed))
    return Cause(
        field, "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {options}"
    )


def duplicate(field: str, value: Any) -> Cause:
    """Return the cause for a value that must be unique in its list and is not."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {_shown(value)}")


def too_long(field: str, limit: int) -> Cause:
    """Return the cause for a value longer than ``limit`` (bytes or items, as the field counts)."""
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return str(value)


class ApiError(Exception):
    """A refusal by the API, with everything a ``Status`` object tells.

    Attributes:
        code: HTTP status code.
        reason: Machine-readable reason, such as ``AlreadyExists``.
        message: One sentence for people.
        details: ``Status.details``: name, group, kind, uid, causes, retryAfterSeconds.
    """

    def __init__(
        self, code: int, message: str, *, reason: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason or _REASONS.get(code, "Unknown")
        self.message = message
        self.details = details or {}

    def status(self) -> dict[str, Any]:
        """Return the ``Status`` object that a client receives."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            status["details"] = self.details
        return status


def _details(resource: str, name: str) -> dict[str, Any]:
    plural, _, group = resource.partition(".")
    details = {"name": name, "kind": plural}
    if group:
        details["group"] = group
    return details


def not_found(resource: str, name: str) -> ApiError:
    """Return the error for an object that does not exist; ``resource`` is ``plural[.group]``."""
    return ApiError(404, f'{resource} "{name}" not found', details=_details(resource, name))


def already_exists(resource: str, name: str) -> ApiError:
    """Return the error for a create whose name is taken."""
    return ApiError(
        409, f'{resource} "{name}" already exists', reason="AlreadyExists", details=_details(resource, name)
    )


def conflict(resource: str, name: str, why: str) -> ApiError:
    """Return the error for a write whose precondition does not hold."""
    return ApiError(
        409, f'Operation cannot be fulfilled on {resource} "{name}": {why}', details=_details(resource, name)
    )


def denied(resource: str, name: str, why: str, causes: list[Cause] | None = None) -> ApiError:
    """Return the error (403) for a request that policy does not allow."""
    details = _details(resource, name)
    if causes:
        details["causes"] = _causes(causes)
    return ApiError(403, f'{resource} "{name}" is forbidden: {why}', details=details)


def refused(kind: str, group: str, name: str, causes: list[Cause]) -> ApiError:
    """Return the error (422) for an object with invalid fields."""
    shown = [f"{cause.field}: {cause.message}" for cause in causes]
    text = shown[0] if len(shown) == 1 else "[" + ", ".join(shown) + "]"
    qualified = f"{kind}.{group}" if group else kind
    details: dict[str, Any] = {"name": name, "kind": kind, "causes": _causes(causes)}
    if group:
        details["group"] = group
    return ApiError(422, f'{qualified} "{name}" is invalid: {text}', details=details)


def _causes(causes: list[Cause]) -> list[dict[str, str]]:
    return [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
