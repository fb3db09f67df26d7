"""What the API server's refusal of a pod means."""

import dataclasses
import re

from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER, FailureKind
from limosa_model.failures import Code
from limosa_model.quantity import QuantityError, parse_quantity
from limosa_propeller.kube.errors import ApiError


@dataclasses.dataclass(frozen=True)
class Rejection:
    """A refusal as the engine is told it."""

    code: str
    kind: FailureKind.ValueType
    retryable: bool
    """The same pod may be accepted later: nothing is counted."""


def rejection_of(error: ApiError) -> Rejection:
    """Reads a refusal; 409 "AlreadyExists" is no refusal and is not asked about here."""
    if error.transient or error.status == 409:
        return Rejection(Code.API, FAILURE_KIND_SYSTEM, True)
    if error.status == 403:
        return _forbidden(error)
    if error.status in (400, 413, 422):
        return Rejection(Code.POD_INVALID, FAILURE_KIND_USER, False)
    if error.status == 401:
        return Rejection(Code.API, FAILURE_KIND_SYSTEM, True)
    return Rejection(Code.API, FAILURE_KIND_SYSTEM, False)


def _forbidden(error: ApiError) -> Rejection:
    """Reads a 403. What the API has no field for is read in its text."""
    if "NamespaceTerminating" in error.causes:
        return Rejection(Code.NAMESPACE_TERMINATING, FAILURE_KIND_SYSTEM, True)
    if "exceeded quota" in error.message:
        return Rejection(Code.QUOTA, FAILURE_KIND_USER, not _never_fits(error.message))
    if _NO_SERVICE_ACCOUNT.search(error.message):
        return Rejection(Code.SERVICE_ACCOUNT_MISSING, FAILURE_KIND_USER, True)
    # Admission (PodSecurity, LimitRange, a quota that wants limits) names the pod; a missing permission is about none.
    if error.name or "admission webhook" in error.message:
        return Rejection(Code.POD_POLICY, FAILURE_KIND_USER, False)
    return Rejection(Code.POD_FORBIDDEN, FAILURE_KIND_SYSTEM, False)


_NO_SERVICE_ACCOUNT = re.compile(r'serviceaccount "[^"]*" not found')
_AMOUNTS = re.compile(r"requested: (?P<requested>[^ ]+), used: [^ ]+, limited: (?P<limited>[^ ]+)")


def _never_fits(message: str) -> bool:
    """Whether the pod alone asks for more than the whole quota; False where the text does not say so."""
    match = _AMOUNTS.search(message)
    if match is None:
        return False
    limited = _amounts(match["limited"])
    try:
        return any(
            name in limited and parse_quantity(amount) > parse_quantity(limited[name])
            for name, amount in _amounts(match["requested"]).items()
        )
    except QuantityError:
        return False


def _amounts(text: str) -> dict[str, str]:
    """Of "requests.cpu=2,pods=1"."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)
