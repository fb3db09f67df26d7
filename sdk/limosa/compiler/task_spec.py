"""Tasks as specs."""

import sys
from typing import TYPE_CHECKING, Any

from limosa.compiler.body_digest import body_digest, code_digest
from limosa.docstring import summary
from limosa.errors import LimosaError
from limosa.options import cache_policy
from limosa.origin import origin_of, source_root
from limosa.packages.declaration import declared_packages
from limosa.resources import resources_spec
from limosa.tasks import Task
from limosa.tracing import relative_file
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, SecretRef, TaskSpec
from limosa_model.cache_policy import cache_problems
from limosa_model.secret_names import variable_of

if TYPE_CHECKING:
    from limosa.compiler.closure import CompileSettings


def task_spec(task: Task[..., Any], settings: "CompileSettings") -> TaskSpec:
    """A task on the wire. Raises LimosaError where pods could not find its function."""
    origin = origin_of(task.function)
    if "<locals>" in task.__qualname__:
        raise LimosaError(
            "LocalTask",
            f"task {task.__name__} is defined inside a function, where a pod cannot find it",
            str(origin),
            "move it to the top level of its module",
        )
    loader = _loader(task, str(origin))
    options = task.options
    spec = TaskSpec(
        name=task.name,
        interface=task.interface,
        description=summary(task.__doc__ or ""),
        resources=resources_spec(options.resources, options.requests, options.limits, options.accelerator),
        container_image=options.container_image or settings.default_image,
        environment=options.environment,
        pod_template=options.pod_template,
        pod_template_name=options.pod_template_name or "",
        priority=options.priority,
        shared_memory=options.shared_memory or "",
        labels=options.labels,
        annotations=options.annotations,
    )
    code = PythonTask(
        loader=loader,
        bundle_digest=settings.bundle_digest,
        python_version=settings.python_version,
        function_digest=code_digest(task),
    )
    _add_packages(code, task, settings)
    if task.container is not None:
        spec.container.CopyFrom(task.container)
    else:
        kind = spec.dynamic if task.makes_graph else spec.eager if task.makes_calls else spec.python
        kind.CopyFrom(code)
    root = source_root(origin.file)
    spec.source.file, spec.source.line = relative_file(origin, root), origin.line
    if options.retry is not None:
        options.retry.write(spec.retry)
    for name, seconds in (("timeout", options.timeout_s), ("deadline", options.deadline_s)):
        if seconds is not None:
            getattr(spec, name).FromMicroseconds(round(seconds * 1_000_000))
    if options.interruptible is not None:
        spec.interruptible = options.interruptible
    for secret in options.secrets:
        env = "" if secret.file else secret.env or variable_of(secret.key)
        spec.secrets.append(SecretRef(name=secret.name, key=secret.key, env=env, file=secret.file))
    if options.cache is not None:
        version = options.cache.version or source_version(task)
        if not options.cache.version:
            settings.note(f"cache version of {task.name} is {version}, a digest of its source")
        spec.cache.CopyFrom(cache_policy(options.cache, version))
        for problem in cache_problems(spec, str(origin)):
            raise LimosaError(
                problem.code, f"task {task.name}: {problem.message}", str(origin), problem.remedy
            )
    return spec


def _add_packages(code: PythonTask, task: Task[..., Any], settings: "CompileSettings") -> None:
    """Writes the lock of a task's packages, and what a dynamic or eager one needs to know of others'."""
    declared, locks = declared_packages(task), settings.package_locks
    if declared is not None:
        code.python_version = declared.packages.python or code.python_version
    if locks is None:
        return
    if task.makes_graph or task.makes_calls:
        code.package_locks.update(locks)
    if declared is not None and declared.key not in locks:
        # In a pod, which resolves nothing.
        remedy = (
            "call it by a name of its module, and declare its packages where they do not depend on the run"
        )
        raise declared.error(
            "PackagesUnresolved", "they were not resolved when the run's code was registered", remedy
        )
    if declared is not None:
        code.packages = locks[declared.key]


def _loader(task: Task[..., Any], place: str) -> str:
    """How a pod finds a task: by its own name, else by the one that its module has it under. Raises LimosaError."""
    module = sys.modules.get(task.__module__)
    if module is None or getattr(module, task.__qualname__, None) is task or "." in task.__qualname__:
        return task.loader
    held = next((name for name, value in vars(module).items() if value is task), "")
    if not held:
        message = f"task {task.__name__} is in no variable of its module, where a pod looks for it"
        raise LimosaError("TaskName", message, place, f"assign it at the top level: {task.__name__} = …")
    return f"{task.loader.partition(':')[0]}:{held}"


def source_version(task: Task[..., Any]) -> str:
    """A cache version from what a task runs. Raises LimosaError where that cannot be read."""
    digest = body_digest(task)
    if not digest:
        message = f"cache=True needs the source of {task.name}, which cannot be read"
        raise LimosaError("CacheVersion", message, remedy='give a version: cache="v1"')
    return digest[:16]
