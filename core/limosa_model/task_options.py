"""Whether what a task says of its attempts and its pods makes sense; what a cluster allows is the operator's to say."""

from collections.abc import Iterator

from google.protobuf.duration_pb2 import Duration

from limosa_idl.task.v1alpha1.task_pb2 import RetryPolicy, SecretRef, TaskSpec
from limosa_model.pod_fields import wrong_annotations, wrong_environment, wrong_image, wrong_labels
from limosa_model.problems import Problem
from limosa_model.quantity import QuantityError, parse_amount, parse_quantity

MAX_RETRIES = 1000
MAX_FACTOR = 100.0
_TEMPLATE_FIELDS = frozenset(["apiVersion", "kind", "metadata", "spec"])


def check_options(task: TaskSpec, place: str) -> Iterator[Problem]:
    """Everything wrong with the policies and the pod's shape of a task, overrides applied."""
    yield from _retry(task.retry, f"{place}: retry")
    for secret in task.secrets:
        yield from _secret(secret, place)
    if task.shared_memory:
        yield from _amount(task.shared_memory, f"{place}: shared memory")
        yield from _fits_memory(task, place)
    for name in ("timeout", "deadline"):
        if task.HasField(name):
            yield from _least(getattr(task, name), name, place)
    yield from _pod_fields(task, place)
    if task.pod_template:
        yield from _template(task.pod_template, f"{place}: pod_template")


def _least(limit: Duration, name: str, place: str) -> Iterator[Problem]:
    if limit.seconds < 1 or limit.nanos < 0:
        told = f"{limit.seconds + limit.nanos / 1e9:g} seconds are below one second, the least that is kept"
        yield Problem(
            "Limit", f"{place}: {name}", told, "give a second or more, or leave it out for no limit"
        )


def _pod_fields(task: TaskSpec, place: str) -> Iterator[Problem]:
    wrong = [
        *wrong_labels(task.labels),
        *wrong_annotations(task.annotations),
        *wrong_environment(task.environment),
    ]
    if task.container_image:
        wrong += wrong_image(task.container_image)
    for told, remedy in wrong:
        yield Problem("PodField", place, told, remedy)


def _retry(policy: RetryPolicy, place: str) -> Iterator[Problem]:
    if policy.retries > MAX_RETRIES:
        yield Problem("Retry", place, f"{policy.retries} retries", f"at most {MAX_RETRIES}")
    if policy.backoff_factor and not 1 <= policy.backoff_factor <= MAX_FACTOR:
        told = f"the back-off's factor is {policy.backoff_factor:g}"
        yield Problem("Retry", place, told, f"give one from 1 to {MAX_FACTOR:g}")
    if not 0 <= policy.backoff_jitter <= 1:
        yield Problem("Retry", place, f"the jitter is {policy.backoff_jitter:g}", "give a share from 0 to 1")
    for name in ("backoff", "backoff_limit"):
        duration = getattr(policy, name)
        if duration.seconds < 0 or duration.nanos < 0:
            yield Problem("Retry", place, f"{name} is below zero", "give a length of time")
    memory = policy.memory
    if policy.HasField("memory") and not memory.steps and not 1 < memory.factor <= MAX_FACTOR:
        told = f"memory grows by the factor {memory.factor:g}"
        yield Problem("MemoryGrowth", place, told, f"give a factor above 1, at most {MAX_FACTOR:g}, or steps")
    for amount in (*memory.steps, *([memory.limit] if memory.limit else [])):
        yield from _amount(amount, f"{place}: memory")


def _secret(secret: SecretRef, place: str) -> Iterator[Problem]:
    if not secret.name or not secret.key:
        yield Problem("Secret", place, "a secret needs a name and a key", "Secret(name, key)")
        return
    where = f"{place}: secret '{secret.name}'"
    if secret.env and secret.file:
        yield Problem("Secret", where, "it is to be a variable and a file", "choose one of them")
    parts = secret.file.split("/")[1:]
    if secret.file and (secret.file[0] != "/" or any(part in ("", ".", "..") for part in parts)):
        told = f"'{secret.file}' is no absolute path of a file"
        yield Problem("Secret", where, told, 'write file="/etc/secrets/token"')


def _fits_memory(task: TaskSpec, place: str) -> Iterator[Problem]:
    """What lies in shared memory counts against the container's limit."""
    limit = task.resources.limits.memory
    try:
        fits = not limit or parse_quantity(task.shared_memory) <= parse_quantity(limit)
    except QuantityError:
        return
    if not fits:
        told = f"shared memory of {task.shared_memory} is above the memory limit {limit}, against which it counts"
        yield Problem("SharedMemory", place, told, "raise the memory limit")


def _template(text: str, place: str) -> Iterator[Problem]:
    # Most tasks have none, and do not pay for the parser.
    import json

    try:
        template = json.loads(text)
    except ValueError as error:
        yield Problem(
            "PodTemplate", place, f"it is not JSON: {error}", "give an object with metadata and spec"
        )
        return
    if not isinstance(template, dict) or not set(template) <= _TEMPLATE_FIELDS:
        known = (
            ", ".join(sorted(set(template) - _TEMPLATE_FIELDS)) if isinstance(template, dict) else "no object"
        )
        told = f"it is not a part of a pod: {known}"
        yield Problem("PodTemplate", place, told, 'write {"spec": {...}}')
    elif any(not isinstance(template.get(part, {}), dict) for part in ("metadata", "spec")):
        yield Problem("PodTemplate", place, "metadata and spec must be objects", 'write {"spec": {...}}')


def _amount(text: str, place: str) -> Iterator[Problem]:
    try:
        if parse_amount("memory", text) <= 0:
            yield Problem("Quantity", place, f"'{text}' is not above zero", "write an amount such as 2Gi")
    except QuantityError as error:
        yield Problem("Quantity", place, str(error), "")
