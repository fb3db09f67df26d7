"""Requests: what a URL, its query and its Accept header ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Object


@dataclass(frozen=True)
class Target:
    """The resource a path names.

    Attributes:
        group: API group, empty for the core one.
        version: API version.
        namespace: Namespace, empty when the path names none.
        plural: Resource.
        name: Object, empty for the collection.
        subresource: What below the object, empty for the object itself.
    """

    group: str
    version: str
    namespace: str
    plural: str
    name: str = ""
    subresource: str = ""


def parse_path(path: str) -> Target | None:
    """Return the resource a path names, None for any other path."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    # Below a namespace comes a resource, except for the namespace's own subresources.
    if (
        rest[0] == "namespaces"
        and len(rest) > 2
        and not (len(rest) == 3 and rest[2] in ("status", "finalize"))
    ):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 or not all(rest):
        return None
    name = rest[1] if len(rest) > 1 else ""
    return Target(group, version, namespace, rest[0], name, rest[2] if len(rest) > 2 else "")


@dataclass(frozen=True)
class Form:
    """How a client wants objects.

    Attributes:
        shape: ``object``, ``table`` or ``partial`` (metadata only).
        include: For tables, how much of each object comes along.
    """

    shape: str
    include: str = "Metadata"


_PLAIN = Form("object")


def parse_accept(accept: str | None, query: Mapping[str, str]) -> Form:
    """Return the first form of an Accept header that is served.

    Raises:
        ApiError: 406 when none is.
    """
    if accept is None or accept in ("application/json", "*/*"):
        return _PLAIN
    for media in accept.split(","):
        name, *parameters = [part.strip() for part in media.split(";")]
        if name not in ("application/json", "application/*", "*/*"):
            continue
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        shape = given.get("as")
        if shape is None:
            return _PLAIN
        if given.get("g") == "meta.k8s.io" and given.get("v") == "v1":
            if shape == "Table":
                return Form("table", query.get("includeObject", "Metadata"))
            if shape in ("PartialObjectMetadata", "PartialObjectMetadataList"):
                return Form("partial")
    raise ApiError(406, "only the following media types are accepted: application/json")


def integer(query: Mapping[str, str], name: str, least: int = 0) -> int | None:
    """Return a whole-number parameter, None when it is not given.

    Raises:
        ApiError: 400 when it is no whole number of at least ``least``.
    """
    text = query.get(name)
    if not text:
        return None
    if not text.isdecimal() or int(text) < least:
        raise ApiError(400, f'{name}: Invalid value: "{text}": must be a whole number of at least {least}')
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Tell whether a parameter is set to true."""
    return query.get(name, "").lower() in ("true", "1", "t")


def is_dry_run(query: Mapping[str, str]) -> bool:
    """Tell whether nothing is to be stored.

    Raises:
        ApiError: 400 for an unknown directive.
    """
    directive = query.get("dryRun")
    if directive not in (None, "", "All"):
        raise ApiError(400, f'dryRun: Unsupported value: "{directive}": supported values: "All"')
    return directive == "All"


def decode_object(body: bytes) -> Object:
    """Return the object of a request body.

    Raises:
        ApiError: 400 when the body is not a JSON object.
    """
    value = decode(body)
    if not isinstance(value, dict):
        raise ApiError(400, "the request body must be a JSON object")
    if not isinstance(value.get("metadata") or {}, dict):
        raise ApiError(400, "json: cannot unmarshal metadata: it must be an object")
    return value


def decode(body: bytes) -> object:
    """Return a decoded request body.

    Raises:
        ApiError: 400 when the body is not JSON.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the request body is not JSON: {error}") from None
    return value
