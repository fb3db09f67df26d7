"""Which Secrets a task may read."""

import time
from collections.abc import Iterable

from limosa_model.names import TASK_SECRET_LABEL
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import SECRETS, Verbs

FRESH_SECONDS = 30.0


class TaskSecrets:
    """Looks at a Secret's labels, never at its content."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._allowed: dict[tuple[str, str], float] = {}

    async def refusal(self, namespace: str, secrets: Iterable[str]) -> str:
        """Why a pod may not be made; empty when it may. A Secret that does not exist yet is waited for by its pod.

        Raises ApiError when the labels could not be read.
        """
        for name in sorted(set(secrets)):
            checked_at = self._allowed.get((namespace, name), float("-inf"))
            if time.monotonic() - checked_at < FRESH_SECONDS:
                continue
            try:
                labels = await self._verbs.labels(SECRETS, namespace, name)
            except ApiError as error:
                if error.status == 404:
                    continue
                raise
            if labels.get(TASK_SECRET_LABEL) != "true":
                return (
                    f"Secret '{name}' is not for tasks: label it "
                    f"(kubectl -n {namespace} label secret {name} {TASK_SECRET_LABEL}=true)"
                )
            self._allowed[namespace, name] = time.monotonic()
        return ""
