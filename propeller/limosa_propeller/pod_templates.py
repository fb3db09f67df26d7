"""PodTemplate objects that tasks name."""

import time

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import POD_TEMPLATES, Object, Verbs

FRESH_SECONDS = 30.0
MISSING_FRESH_SECONDS = 1.0
"""Shorter: whoever has just made one wants to use it."""


class PodTemplates:
    """Templates of namespaces, read when a launch names one and remembered for a while."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._known: dict[tuple[str, str], tuple[float, Object | None]] = {}

    async def get(self, namespace: str, name: str) -> Object | None:
        """The template's `template` (metadata and spec of a pod); None where there is no such object. Raises ApiError."""
        read_at, template = self._known.get((namespace, name), (float("-inf"), None))
        fresh = MISSING_FRESH_SECONDS if template is None else FRESH_SECONDS
        if time.monotonic() - read_at < fresh:
            return template
        try:
            template = (await self._verbs.get(POD_TEMPLATES, namespace, name)).get("template") or {}
        except ApiError as error:
            if error.status != 404:
                raise
            template = None
        self._known[namespace, name] = time.monotonic(), template
        return template
