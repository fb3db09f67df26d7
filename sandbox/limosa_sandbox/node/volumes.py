"""Volumes of a pod, as folders of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limosa_sandbox.node.environment import ContainerConfigError, Objects

_EMPTY = ("emptyDir", "ephemeral")
_DATA = {"secret": ("secret", "secretName"), "configMap": ("configmap", "name")}


class VolumeNotSupportedError(Exception):
    """A kind of volume that the sandbox cannot provide; the text names it and the remedy."""


def materialise(spec: Mapping[str, Any], directory: Path, objects: Objects) -> dict[str, Path]:
    """Make the folders of a pod's volumes and return them by volume name.

    Args:
        spec: The pod's specification.
        directory: Where folders are made; existing ones are kept.
        objects: Where secrets and config maps are read.

    Raises:
        ContainerConfigError: A secret or config map does not exist (yet).
        VolumeNotSupportedError: A volume of another kind.
    """
    folders: dict[str, Path] = {}
    for volume in spec.get("volumes") or ():
        name = volume["name"]
        kinds = [kind for kind in volume if kind != "name"]
        kind = kinds[0] if kinds else "emptyDir"
        folder = directory / name
        if kind == "hostPath":
            folders[name] = Path(volume["hostPath"]["path"])
            continue
        if kind in _DATA:
            _write_data(volume[kind], kind, name, folder, objects)
        elif kind not in _EMPTY:
            raise VolumeNotSupportedError(
                f'volume "{name}" is of kind {kind}, which the sandbox does not have: it has emptyDir, secret, configMap and '
                "hostPath. Use one of these, or launch the run on a cluster"
            )
        if not folder.is_dir():
            os.makedirs(folder)
        folders[name] = folder
    return folders


def mounts(container: Mapping[str, Any], folders: Mapping[str, Path]) -> dict[str, str]:
    """Return where each mount path of a container lies on this machine."""
    result: dict[str, str] = {}
    for mount in container.get("volumeMounts") or ():
        folder = folders[mount["name"]]
        inside = os.path.normpath(mount.get("subPath") or ".")
        if inside.startswith("..") or os.path.isabs(inside):
            continue
        target = folder if inside == "." else folder / inside
        if inside != "." and not target.exists():
            target.mkdir(parents=True)
        result[os.path.normpath(mount["mountPath"])] = str(target)
    return result


def _write_data(source: Mapping[str, Any], kind: str, volume: str, folder: Path, objects: Objects) -> None:
    shown, field = _DATA[kind]
    name = source.get(field) or ""
    data = objects.data(shown, name)
    if data is None:
        if source.get("optional"):
            return
        raise ContainerConfigError(
            f'MountVolume.SetUp failed for volume "{volume}" : {shown} "{name}" not found'
        )
    items = source.get("items") or [{"key": key, "path": key} for key in data]
    for item in items:
        path = os.path.normpath(item["path"])
        if path.startswith("..") or os.path.isabs(path):
            raise ContainerConfigError(f'volume "{volume}": the path "{item["path"]}" leads out of it')
        if item["key"] not in data:
            if source.get("optional"):
                continue
            raise ContainerConfigError(
                f'MountVolume.SetUp failed for volume "{volume}" : references non-existent {shown} key: {item["key"]}'
            )
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data[item["key"]])
        target.chmod(item.get("mode") or source.get("defaultMode") or 0o644)
