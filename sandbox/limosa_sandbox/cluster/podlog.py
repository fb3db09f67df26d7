"""The ``log`` subresource: which container, which part of its log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Object
from limosa_sandbox.cluster.logs import LogReader
from limosa_sandbox.cluster.requests import flag, integer


def open_log(reader: LogReader, pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """Return the log a request asks for.

    Raises:
        ApiError: 400 when the container is not named or not known, or a parameter cannot be read.
    """
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    return reader.read(
        namespace,
        name,
        _container(pod, query.get("container", "")),
        follow=flag(query, "follow"),
        tail_lines=integer(query, "tailLines"),
        previous=flag(query, "previous"),
        timestamps=flag(query, "timestamps"),
        since_seconds=integer(query, "sinceSeconds", least=1),
        limit_bytes=integer(query, "limitBytes", least=1),
    )


def _container(pod: Object, wanted: str) -> str:
    spec, name = pod["spec"], pod["metadata"]["name"]
    main = [entry["name"] for entry in spec["containers"]]
    others = [entry["name"] for entry in spec.get("initContainers") or []]
    if wanted:
        if wanted not in main + others:
            raise ApiError(400, f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(main) == 1:
        return str(main[0])
    choices = f"choose one of: [{' '.join(main)}]" + (
        f" or one of the init containers: [{' '.join(others)}]" if others else ""
    )
    raise ApiError(400, f"a container name must be specified for pod {name}, {choices}")
