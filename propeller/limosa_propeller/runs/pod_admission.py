"""Whether the tasks of a graph may have their pods: asked before the first of them, of registered graphs and of made ones."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.generated import place_of
from limosa_model.quantity import QuantityError
from limosa_propeller.pods.manifest import PodFactory, PodPolicyError
from limosa_propeller.pods.policy import referenced_secrets
from limosa_propeller.runs.services import Services


@dataclasses.dataclass
class Unsettled:
    """What only the API server can tell, by the place in the author's code."""

    secrets: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    """Names of Secrets that a task's pod would read."""
    templates: dict[str, TaskSpec] = dataclasses.field(default_factory=dict)
    """Tasks whose pod starts from a PodTemplate of the namespace."""


def refused_by_policy(
    nodes: Iterable[tuple[Node, TaskSpec]], factory: PodFactory, left: Unsettled
) -> Failure | None:
    """The first node whose pod would ask for what it may not have; fills `left` with what has to be asked further."""
    examined: set[str] = set()
    for node, task in nodes:
        if task.name in examined:
            continue
        examined.add(task.name)
        if task.pod_template_name:
            left.templates[place_of(node)] = task
            continue
        refusal = _try_out(factory, task, place_of(node), left, None)
        if refusal is not None:
            return refusal
    return None


async def refused_by_cluster(
    services: Services, namespace: str, factory: PodFactory, left: Unsettled
) -> Failure | None:
    """The first that names a PodTemplate or a Secret which it may not use. Raises ApiError."""
    for place, task in left.templates.items():
        named = await services.templates.get(namespace, task.pod_template_name)
        # Its pod waits for a template that is not there yet, as any other task's.
        refusal = None if named is None else _try_out(factory, task, place, left, named)
        if refusal is not None:
            return refusal
    for place, names in left.secrets.items():
        why = await services.secrets.refusal(namespace, names)
        if why:
            return failures.user(Code.SECRET_MISSING, f"{place}: {why}")
    return None


def _try_out(
    factory: PodFactory, task: TaskSpec, place: str, left: Unsettled, named: Mapping[str, Any] | None
) -> Failure | None:
    try:
        manifest = factory.try_out(task, named)
    except PodPolicyError as error:
        return failures.user(Code.POD_POLICY, f"{place}: {error}")
    except QuantityError as error:
        return failures.user(Code.POD_INVALID, f"{place}: {error}")
    if task.secrets or task.pod_template or named is not None:
        left.secrets[place] = referenced_secrets(manifest)
    return None
