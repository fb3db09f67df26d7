"""A task's options: what its pods are to be like."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from limosa.errors import LimosaError
from limosa.origin import caller

if TYPE_CHECKING:
    from limosa.cache import Cache
    from limosa.packages.declaration import Packages
    from limosa.resources import Resources
    from limosa.retries import Retry
    from limosa.secret import Secret
    from limosa_idl.task.v1alpha1.task_pb2 import CachePolicy

MOST_PRIORITY = 1_000_000

OPTION_NAMES = frozenset(
    [
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
        "secrets",
        "packages",
        "pod_template",
        "pod_template_name",
        "priority",
        "shared_memory",
        "labels",
        "annotations",
    ]
)


class TaskOptions(NamedTuple):
    """Checked options, as @task took them."""

    resources: "Resources | None" = None
    requests: "Resources | None" = None
    limits: "Resources | None" = None
    accelerator: str | None = None
    retry: "Retry | None" = None
    timeout_s: float | None = None
    deadline_s: float | None = None
    interruptible: bool | None = None
    cache: "Cache | None" = None
    """None where results are not cached."""
    container_image: str | None = None
    environment: Mapping[str, str] = {}
    secrets: "tuple[Secret, ...]" = ()
    packages: "Packages | None" = None
    pod_template: str = ""
    pod_template_name: str | None = None
    priority: int = 0
    shared_memory: str | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}

    @property
    def retries(self) -> int:
        """Further attempts after failures of the author's."""
        return 0 if self.retry is None else self.retry.retries


def task_options(given: Mapping[str, Any]) -> TaskOptions:
    """Checks what @task was given. Raises LimosaError naming the option."""
    for name in given:
        if name not in OPTION_NAMES:
            from limosa_model.interfaces import suggest

            raise _error(f"@task has no option '{name}'", suggest(name, sorted(OPTION_NAMES)))
    if given.get("resources") is not None and (given.get("requests") or given.get("limits")):
        raise _error("@task got resources and requests or limits", "use resources=, or requests= and limits=")
    for name in ("resources", "requests", "limits"):
        check_resources(name, given.get(name))
    return TaskOptions(
        resources=given.get("resources"),
        requests=given.get("requests"),
        limits=given.get("limits"),
        accelerator=_check_kind("accelerator", given.get("accelerator"), str, '"nvidia-tesla-t4"'),
        retry=_check_retry(given.get("retries")),
        timeout_s=_check_limit("timeout", given.get("timeout")),
        deadline_s=_check_limit("deadline", given.get("deadline")),
        interruptible=_check_kind("interruptible", given.get("interruptible"), bool, "True"),
        cache=_check_cache(given.get("cache", False)),
        container_image=_check_image(given.get("container_image")),
        environment=_check_pairs("environment", given.get("environment")),
        secrets=_check_secrets(given.get("secrets", ())),
        packages=_check_packages(given.get("packages")),
        pod_template=_check_template(given.get("pod_template")),
        pod_template_name=_check_kind(
            "pod_template_name", given.get("pod_template_name"), str, '"gpu-large"'
        ),
        priority=_check_priority(given.get("priority", 0)),
        shared_memory=_check_shared_memory(given.get("shared_memory")),
        labels=_check_pairs("labels", given.get("labels")),
        annotations=_check_pairs("annotations", given.get("annotations")),
    )


def cache_policy(cache: "Cache", version: str) -> "CachePolicy":
    """Caching on the wire, under a version."""
    from limosa_idl.task.v1alpha1.task_pb2 import CachePolicy

    return CachePolicy(
        enabled=True, version=version, serialize=cache.serialize, ignored_inputs=sorted(cache.ignored_inputs)
    )


def check_resources(name: str, value: Any) -> None:
    """Refuses anything but Resources."""
    if value is None:
        return
    from limosa.resources import Resources

    if not isinstance(value, Resources):
        raise _error(f"{name}={value!r} is not Resources", f'write {name}=Resources(cpu="500m", mem="1Gi")')


def _check_retry(value: Any) -> "Retry | None":
    if value is None:
        return None
    from limosa.retries import retry_of

    return retry_of(value)


def _check_priority(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST_PRIORITY:
        told = f"priority={value!r} is not a whole number from -{MOST_PRIORITY} to {MOST_PRIORITY}"
        raise _error(told, "0 is usual; where slots are short, greater ones start first")
    return value


def _check_shared_memory(value: Any) -> str | None:
    if value is None:
        return None
    from limosa.resources import Resources

    try:
        return str(Resources(mem=value).sides()[1]["memory"])
    except LimosaError as error:
        raise _error(f"shared_memory: {error.message}", 'write shared_memory="1Gi"') from None


def check_duration(name: str, value: Any) -> float | None:
    """Seconds of a timedelta, a number, or text such as "10m"."""
    import datetime as dt

    if value is None:
        return None
    try:
        if isinstance(value, str):
            from limosa_model.plain import parse_duration

            value = parse_duration(value)
        seconds = value.total_seconds() if isinstance(value, dt.timedelta) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise _error(
            f"{name}={value!r} is no length of time", f'write {name}="10m", seconds, or a timedelta'
        ) from None
    if isinstance(value, bool) or not seconds > 0:
        raise _error(f"{name}={value!r} is not above zero", "leave it out for no limit")
    return float(seconds)


def _check_limit(name: str, value: Any) -> float | None:
    seconds = check_duration(name, value)
    if seconds is not None and seconds < 1:
        raise _error(
            f"{name}={value!r} is below one second, the least that is kept", f'write {name}="1s" or more'
        )
    return seconds


def _check_pairs(name: str, value: Any) -> dict[str, str]:
    """A dict of str to str that a pod can carry."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(
        isinstance(part, str) for pair in value.items() for part in pair
    ):
        raise _error(f"{name}={value!r} is not a dict of str to str", f'write {name}={{"NAME": "value"}}')
    if value:
        from limosa_model import pod_fields

        for told, remedy in getattr(pod_fields, f"wrong_{name}")(value):
            raise _error(f"{name}: {told}", remedy)
    return dict(value)


def _check_image(value: Any) -> str | None:
    image: str | None = _check_kind("container_image", value, str, '"team/image:1.0"')
    if image is not None:
        from limosa_model.pod_fields import wrong_image

        for told, remedy in wrong_image(image):
            raise _error(f"container_image: {told}", remedy)
    return image


def _check_kind(name: str, value: Any, kind: type, example: str) -> Any:
    if value is not None and (not isinstance(value, kind) or value == ""):
        raise _error(f"{name}={value!r} is not a {kind.__name__}", f"write {name}={example}")
    return value


def _check_cache(value: Any) -> "Cache | None":
    if value is False:
        return None
    from limosa.cache import Cache

    if value is True:
        return Cache()
    if isinstance(value, str) and value:
        return Cache(value)
    if not isinstance(value, Cache):
        message = f"cache={value!r} is neither a bool, a version nor a Cache"
        raise _error(message, 'write cache=True, cache="v1" or cache=Cache("v1", serialize=True)')
    ignored = value.ignored_inputs
    if not isinstance(value.version, str) or isinstance(ignored, str) or not _are_texts(ignored):
        raise _error(
            f"{value!r} does not fit",
            'write Cache(version="v1", ignored_inputs=("threads",), serialize=True)',
        )
    return Cache(value.version, bool(value.serialize), tuple(ignored))


def _are_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(one, str) for one in value)


def _check_secrets(value: Any) -> "tuple[Secret, ...]":
    from limosa.secret import Secret

    if not isinstance(value, (list, tuple)) or isinstance(value, Secret):
        raise _error(f"secrets={value!r} is not a list", 'write secrets=[Secret("name", "key")]')
    for item in value:
        if not isinstance(item, Secret):
            raise _error(f"secrets has {item!r}, which is no Secret", 'write secrets=[Secret("name", "key")]')
        if item.env and item.file:
            raise _error(f"{item!r} has env and file", "a secret is a variable or a file")
        if item.file and (not item.file.startswith("/") or item.file.endswith("/")):
            raise _error(f"{item!r}: file is no absolute path of a file", 'write file="/etc/secrets/token"')
    return tuple(value)


def _check_packages(value: Any) -> "Packages | None":
    if value is None:
        return None
    from limosa.packages.declaration import packages_option

    return packages_option(value)


def _check_template(value: Any) -> str:
    if value is None:
        return ""
    import json

    try:
        parsed = json.loads(value) if isinstance(value, str) else value
        text = json.dumps(parsed, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise _error(
            f"pod_template is not JSON: {error}", 'write a dict such as {"spec": {"priorityClassName": "x"}}'
        ) from None
    if not isinstance(parsed, Mapping):
        raise _error(
            "pod_template is not an object", 'write a dict such as {"spec": {"priorityClassName": "x"}}'
        )
    return text


def _error(message: str, remedy: str) -> LimosaError:
    return LimosaError("TaskOption", message, str(caller()), remedy)
