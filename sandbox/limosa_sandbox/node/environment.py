"""A container's environment variables, as its specification and the objects it refers to define them."""

from __future__ import annotations

import base64
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from limosa_sandbox.node import resources

MOUNTS_VARIABLE = "LIMOSA_SANDBOX_MOUNTS"
"""Name of the variable that tells a container where its mount paths lie."""

_REFERENCE = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ContainerConfigError(Exception):
    """A container cannot be set up yet: something it refers to is missing or unreadable; the text is the kubelet's."""


class Objects(Protocol):
    """Reads the data of secrets and config maps of one namespace."""

    def data(self, kind: str, name: str) -> dict[str, bytes] | None:
        """Return the data of a ``secret`` or ``configmap``, None when there is no such object."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a container runs.

    Attributes:
        node: Name of the node.
        interpreter: Its Python, whose folder leads ``PATH``.
        home: Folder for ``HOME`` where the specification sets none.
        tmp: Folder for ``TMPDIR`` where the specification sets none.
        mounts: Paths inside the container and the folders (or files) that stand for them.
        gpus: Devices the container may see.
        capacity: What the node has (for ``resourceFieldRef`` of limits that are not set).
    """

    node: str
    interpreter: str
    home: str
    tmp: str
    mounts: Mapping[str, str]
    gpus: tuple[str, ...]
    capacity: Mapping[str, Fraction]


def environment(
    pod: Mapping[str, Any], container: Mapping[str, Any], objects: Objects, place: Place
) -> dict[str, str]:
    """Return all variables of a container.

    Raises:
        ContainerConfigError: A secret, config map or key it needs does not exist, or a field cannot be read.
    """
    defaults = {
        "PATH": f"{os.path.dirname(place.interpreter)}:{_SYSTEM_PATH}",
        "HOME": place.home,
        "TMPDIR": place.tmp,
        "LANG": "C.UTF-8",
        "HOSTNAME": pod["metadata"]["name"],
    }
    variables = dict(defaults)
    for source in container.get("envFrom") or ():
        variables.update(_all_of(source, objects))
    for entry in container.get("env") or ():
        if entry.get("valueFrom"):
            value = _referred(pod, container, entry["valueFrom"], objects, place)
            if value is not None:
                variables[entry["name"]] = value
        else:
            variables[entry["name"]] = expand(str(entry.get("value") or ""), variables)
    for name, value in variables.items():
        if defaults.get(name) != value:
            variables[name] = mapped(value, place.mounts)
    variables[MOUNTS_VARIABLE] = json.dumps(dict(place.mounts))
    variables["CUDA_VISIBLE_DEVICES"] = ",".join(place.gpus)
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with ``$(NAME)`` replaced by variables; ``$$`` stands for ``$``, unknown names stay as they are."""

    def replacement(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(replacement, text)


def mapped(value: str, mounts: Mapping[str, str]) -> str:
    """Return a value that is a path at or below a mount with the mount's folder in its place; any other as it is."""
    if not value.startswith("/"):
        return value
    for mount in sorted(mounts, key=len, reverse=True):
        if value == mount or value.startswith(mount.rstrip("/") + "/"):
            return mounts[mount] + value[len(mount.rstrip("/")) :]
    return value


def _text(value: bytes) -> str:
    # Bytes that are no text reach the process unchanged: the operating system's side encodes the same way.
    return value.decode("utf-8", "surrogateescape")


def _all_of(source: Mapping[str, Any], objects: Objects) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
        reference = source.get(field)
        if reference is None:
            continue
        data = objects.data(kind, reference.get("name") or "")
        if data is None:
            if reference.get("optional"):
                return {}
            raise ContainerConfigError(f'{kind} "{reference.get("name")}" not found')
        return {prefix + key: _text(value) for key, value in data.items() if _NAME.fullmatch(prefix + key)}
    return {}


def _referred(
    pod: Mapping[str, Any], container: Mapping[str, Any], source: Mapping[str, Any], objects: Objects, place: Place
) -> str | None:  # fmt: skip
    for field, kind in (("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")):
        if source.get(field):
            return _key(kind, source[field], pod["metadata"]["namespace"], objects)
    if source.get("fieldRef"):
        return _field(pod, source["fieldRef"]["fieldPath"], place)
    if source.get("resourceFieldRef"):
        return _resource(pod, container, source["resourceFieldRef"], place)
    raise ContainerConfigError(f"unsupported source of an environment variable: {', '.join(source)}")


def _key(kind: str, reference: Mapping[str, Any], namespace: str, objects: Objects) -> str | None:
    name, key = reference.get("name") or "", reference.get("key") or ""
    data = objects.data(kind, name)
    if data is not None and key in data:
        return _text(data[key])
    if reference.get("optional"):
        return None
    if data is None:
        raise ContainerConfigError(f'{kind} "{name}" not found')
    shown = {"secret": "Secret", "configmap": "ConfigMap"}[kind]
    raise ContainerConfigError(f"couldn't find key {key} in {shown} {namespace}/{name}")


def _field(pod: Mapping[str, Any], path: str, place: Place) -> str:
    meta, spec = pod["metadata"], pod["spec"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((meta.get(subscript[1]) or {}).get(subscript[2], ""))
    values = {
        "metadata.name": meta["name"], "metadata.namespace": meta["namespace"], "metadata.uid": meta["uid"],
        "spec.nodeName": place.node, "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.podIP": "127.0.0.1", "status.hostIP": "127.0.0.1", "status.podIPs": "127.0.0.1",
        "status.hostIPs": "127.0.0.1",
    }  # fmt: skip
    if path not in values:
        raise ContainerConfigError(f"unsupported fieldPath: {path}")
    return str(values[path])


def _resource(
    pod: Mapping[str, Any], container: Mapping[str, Any], reference: Mapping[str, Any], place: Place
) -> str:
    named = reference.get("containerName")
    if named:
        everyone = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
        found = [entry for entry in everyone if entry["name"] == named]
        if not found:
            raise ContainerConfigError(f"container {named} not found")
        container = found[0]
    side, _, name = str(reference["resource"]).partition(".")
    if side == "limits":
        amount = resources.limit(container, name)
        amount = place.capacity.get(name, Fraction(0)) if amount is None else amount
    else:
        amount = resources.requests(container).get(name, Fraction(0))
    divisor = resources.amounts({"divisor": reference.get("divisor") or "1"})["divisor"] or Fraction(1)
    return str(math.ceil(amount / divisor))


def decoded(obj: Mapping[str, Any], kind: str) -> dict[str, bytes]:
    """Return the data of a secret or config map object."""
    if kind == "secret":
        return {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}
    data = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    data.update({key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()})
    return data
