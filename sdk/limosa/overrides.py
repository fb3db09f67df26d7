"""with_overrides: what one call of a task changes."""

from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError
from limosa.origin import caller

if TYPE_CHECKING:
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

_NAMES = [
    "resources",
    "requests",
    "limits",
    "accelerator",
    "retries",
    "timeout",
    "deadline",
    "interruptible",
    "cache",
    "container_image",
    "environment",
    "labels",
    "annotations",
    "node_name",
]


def apply_overrides(node: "Node", options: dict[str, Any]) -> None:
    """Writes overrides into a node. Raises LimosaError naming the option."""
    from limosa.options import check_duration, check_mapping, check_resources, check_retries
    from limosa.resources import resources_spec

    for name in options:
        if name not in _NAMES:
            from limosa_model.interfaces import suggest

            message = f"with_overrides has no option '{name}'"
            raise LimosaError("OverrideOption", message, str(caller()), suggest(name, _NAMES))
    if node.WhichOneof("target") not in ("task", "map") and set(options) - {"node_name"}:
        message = f"node {node.display_name} is a {node.WhichOneof('target')}, which has no pod of its own"
        raise LimosaError("OverrideTarget", message, str(caller()), "override the tasks inside it")
    spec = node.overrides
    if options.get("node_name"):
        node.display_name = str(options["node_name"])
    for name in ("resources", "requests", "limits"):
        check_resources(name, options.get(name))
    if any(options.get(name) is not None for name in ("resources", "requests", "limits", "accelerator")):
        given = (options.get(name) for name in ("resources", "requests", "limits", "accelerator"))
        spec.resources.CopyFrom(resources_spec(*given))
    if "retries" in options:
        spec.retry.retries = check_retries(options["retries"])
        spec.retry.SetInParent()
    for name in ("timeout", "deadline"):
        seconds = check_duration(name, options.get(name))
        if seconds is not None:
            getattr(spec, name).FromMicroseconds(round(seconds * 1_000_000))
    if options.get("interruptible") is not None:
        spec.interruptible = bool(options["interruptible"])
    if options.get("container_image"):
        spec.container_image = str(options["container_image"])
    for name in ("environment", "labels", "annotations"):
        getattr(spec, name).update(check_mapping(name, options.get(name)))
    if isinstance(options.get("cache"), str):
        spec.cache.enabled, spec.cache.version = True, options["cache"]
    elif options.get("cache") is not None:
        spec.cache.enabled = bool(options["cache"])
        spec.cache.SetInParent()
