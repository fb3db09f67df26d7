"""Pods that say they are launches of a run and are not: copies, and pods that somebody made by hand."""

import logging
from collections.abc import Callable

from limosa_model.names import pod_name
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.pod_index import PodEntry

logger = logging.getLogger(__name__)


class StrangePods:
    """Tells the pods of one run's launches from others: a launch has one name, which follows from its parts.

    A stranger decides nothing; it goes with the run's object, which it says owns it.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told = False

    def has(self, run: OpenedRun, entry: PodEntry) -> bool:
        """Whether a pod is a stranger; of the first one people are told."""
        identity = entry.identity
        launch_id = run.graph.launch_id(identity.item, identity.launch)
        if identity.launch_id == launch_id and entry.name == pod_name(run.graph.name, launch_id):
            return False
        if not self._told:
            logger.warning(
                "a pod is not a launch of its run", extra={"pod": f"{entry.namespace}/{entry.name}"}
            )
            self._tell(entry.name)
        self._told = True
        return True
