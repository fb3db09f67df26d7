"""with_overrides: what one call of a task changes."""

from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError
from limosa.options import OPTION_NAMES, cache_policy, task_options
from limosa.origin import caller

if TYPE_CHECKING:
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

OVERRIDES = (OPTION_NAMES - {"secrets", "packages", "pod_template", "pod_template_name"}) | {"node_name"}
"""Secrets, packages and pod templates belong to the task: they are part of what its code relies on."""


def apply_overrides(node: "Node", given: dict[str, Any]) -> None:
    """Writes overrides into a node. Raises LimosaError naming the option."""
    _check_names(node, given)
    if given.get("node_name"):
        node.display_name = str(given["node_name"])
    options = task_options({name: value for name, value in given.items() if name != "node_name"})
    spec = node.overrides
    if options.resources or options.requests or options.limits or options.accelerator:
        from limosa.resources import resources_spec

        made = resources_spec(options.resources, options.requests, options.limits, options.accelerator)
        spec.resources.CopyFrom(made)
    if "retries" in given:
        from limosa.retries import retry_of

        (options.retry or retry_of(0)).write(spec.retry)
    for name, seconds in (("timeout", options.timeout_s), ("deadline", options.deadline_s)):
        if seconds is not None:
            getattr(spec, name).FromMicroseconds(round(seconds * 1_000_000))
    if "priority" in given:
        spec.priority = options.priority
    spec.shared_memory = options.shared_memory or ""
    if options.interruptible is not None:
        spec.interruptible = options.interruptible
    spec.container_image = options.container_image or ""
    for name in ("environment", "labels", "annotations"):
        getattr(spec, name).update(getattr(options, name))
    if options.cache is not None and not options.cache.version:
        message = f"with_overrides(cache={given['cache']!r}) would leave the cache without a version"
        raise LimosaError("OverrideOption", message, str(caller()), 'give one: cache="v1"')
    if "cache" in given:
        spec.cache.SetInParent()
        if options.cache is not None:
            spec.cache.CopyFrom(cache_policy(options.cache, options.cache.version))


def _check_names(node: "Node", given: dict[str, Any]) -> None:
    for name in given:
        if name not in OVERRIDES:
            from limosa_model.interfaces import suggest

            message = f"with_overrides has no option '{name}'"
            raise LimosaError("OverrideOption", message, str(caller()), suggest(name, sorted(OVERRIDES)))
    kind = node.WhichOneof("target")
    if kind in ("dynamic", "eager") and "cache" in given:
        message = f"{node.display_name} is {'a dynamic' if kind == 'dynamic' else 'an eager'} task and has no option 'cache'"
        raise LimosaError("OverrideOption", message, str(caller()), "cache the tasks that it calls")
    if kind not in ("task", "map", "dynamic", "eager") and set(given) - {"node_name"}:
        message = f"node {node.display_name} is a {kind}, which has no pod of its own"
        raise LimosaError("OverrideTarget", message, str(caller()), "override the tasks inside it")
