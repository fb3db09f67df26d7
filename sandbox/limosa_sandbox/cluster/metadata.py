"""Object metadata: what every kind shares - names, labels, owner references, timestamps, finalizers."""

from __future__ import annotations

import re
import secrets
import uuid
from datetime import datetime
from typing import Any

from limosa_sandbox.cluster.errors import ApiError, Cause, forbidden, invalid, required
from limosa_sandbox.cluster.kinds import Kind, Object

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_DNS_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_QUALIFIED = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
_ANNOTATION_BYTES = 256 * 1024

_SUBDOMAIN_HELP = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_HELP = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def timestamp(moment: datetime) -> str:
    """Return a moment as Kubernetes writes it: RFC 3339 in UTC, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def generated_name(prefix: str) -> str:
    """Return ``prefix`` and five random characters, within the 63 that every kind of name allows."""
    return prefix[:58] + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def start(obj: Object, kind: Kind, namespace: str, now: datetime) -> dict[str, Any]:
    """Fill in what a new object gets from the server and return its metadata.

    Raises:
        ApiError: 400 when the object names another namespace than the request.
    """
    meta: dict[str, Any] = dict(obj.get("metadata") or {})
    if kind.namespaced:
        if meta.get("namespace", namespace) not in (namespace, ""):
            raise ApiError(
                400, "the namespace of the provided object does not match the namespace sent on the request"
            )  # fmt: skip
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    for absent in (
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    ):
        meta.pop(absent, None)
    if not meta.get("name"):
        meta.pop("name", None)
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = timestamp(now)
    obj["apiVersion"] = kind.api_version
    obj["kind"] = kind.kind
    obj["metadata"] = meta
    return meta


def is_dns_label(text: str) -> bool:
    """Tell whether a text is an RFC 1123 label (63 characters at most)."""
    return len(text) <= 63 and bool(_DNS_LABEL.match(text))


def is_dns_subdomain(text: str) -> bool:
    """Tell whether a text is an RFC 1123 subdomain (253 characters at most)."""
    return len(text) <= 253 and bool(_DNS_SUBDOMAIN.match(text))


def check_name(name: Any, rule: str, field: str) -> list[Cause]:
    """Return what is wrong with a name under a rule: ``subdomain``, ``label`` or ``path`` (anything without ``/``)."""
    if not isinstance(name, str):
        return [invalid(field, name, "must be a string")]
    if rule == "path":
        bad = name in (".", "..") or "/" in name or "%" in name
        return [invalid(field, name, "may not contain '/' or '%', nor be '.' or '..'")] if bad else []
    if rule == "label":
        return (
            []
            if is_dns_label(name)
            else [
                invalid(field, name, _LABEL_HELP if len(name) <= 63 else "must be no more than 63 characters")
            ]
        )
    if is_dns_subdomain(name):
        return []
    return [
        invalid(field, name, _SUBDOMAIN_HELP if len(name) <= 253 else "must be no more than 253 characters")
    ]


def check(obj: Object, kind: Kind, name_rule: str) -> list[Cause]:
    """Return what is wrong with a new object's metadata."""
    meta = obj["metadata"]
    if "name" not in meta:
        return [required("metadata.name", "name or generateName is required")]
    return check_name(meta["name"], name_rule, "metadata.name") + _check_common(meta, kind)


def check_update(kind: Kind, new: Object, old: Object) -> list[Cause]:
    """Return what is wrong with a changed object's metadata."""
    meta, before = new["metadata"], old["metadata"]
    if meta == before:
        return []
    causes = _check_common(meta, kind)
    if before.get("deletionTimestamp"):
        added = [
            name for name in meta.get("finalizers") or [] if name not in (before.get("finalizers") or [])
        ]
        if added:
            causes.append(
                forbidden(
                    "metadata.finalizers",
                    f"no new finalizers can be added if the object is being deleted, found new finalizers {added}",
                )
            )
    return causes


def _check_common(meta: dict[str, Any], kind: Kind) -> list[Cause]:
    causes = check_labels(meta.get("labels"), "metadata.labels")
    annotations = meta.get("annotations") or {}
    for key, value in annotations.items():
        causes += _check_key(key, "metadata.annotations")
        if not isinstance(value, str):
            causes.append(invalid(f"metadata.annotations.{key}", value, "must be a string"))
    if (
        annotations
        and sum(len(key) + len(str(value)) for key, value in annotations.items()) > _ANNOTATION_BYTES
    ):
        causes.append(
            Cause(
                "metadata.annotations",
                "FieldValueTooLong",
                f"Too long: may not be more than {_ANNOTATION_BYTES} bytes",
            )
        )
    for index, name in enumerate(meta.get("finalizers") or []):
        causes += _check_key(name, f"metadata.finalizers[{index}]")
        if (
            kind.group == ""
            and "/" not in name
            and name not in ("orphan", "foregroundDeletion", "kubernetes")
        ):
            causes.append(
                invalid(
                    f"metadata.finalizers[{index}]",
                    name,
                    "name is neither a standard finalizer name nor is it fully qualified",
                )
            )
    return causes + _check_owners(meta.get("ownerReferences") or [])


def check_labels(labels: Any, field: str) -> list[Cause]:
    """Return what is wrong with a map of labels."""
    if not labels:
        return []
    causes: list[Cause] = []
    for key, value in labels.items():
        causes += _check_key(key, field)
        if not isinstance(value, str) or len(value) > 63 or not _LABEL_VALUE.match(value):
            causes.append(
                invalid(field, value, "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
                        "start and end with an alphanumeric character, and be at most 63 characters")
            )  # fmt: skip
    return causes


def _check_key(key: str, field: str) -> list[Cause]:
    prefix, slash, name = key.rpartition("/")
    if len(name) > 63 or not _QUALIFIED.match(name) or (slash and not is_dns_subdomain(prefix.lower())):
        return [
            invalid(field, key, "a qualified name must consist of alphanumeric characters, '-', '_' or '.', at most 63 of them, with an optional "
                    "DNS subdomain prefix and '/'")
        ]  # fmt: skip
    return []


def _check_owners(owners: list[dict[str, Any]]) -> list[Cause]:
    causes: list[Cause] = []
    for owner in owners:
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                causes.append(invalid(f"metadata.ownerReferences.{field}", "", "must not be empty"))
    controllers = [owner for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        causes.append(
            invalid("metadata.ownerReferences", len(controllers), "Only one reference can have Controller set to true")
        )  # fmt: skip
    return causes


def is_finished(new: Object, old: Object) -> bool:
    """Tell whether this write takes the last obstacle away from an object that is being deleted."""
    meta, before = new["metadata"], old["metadata"]
    if not before.get("deletionTimestamp") or meta.get("finalizers"):
        return False
    waits = bool(meta.get("deletionGracePeriodSeconds"))
    return not waits and not (new.get("spec") or {}).get("finalizers")
