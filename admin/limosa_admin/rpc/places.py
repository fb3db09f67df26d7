"""The place a request is about: a project and a domain."""

import time

from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError, check
from limosa_admin.store import queue
from limosa_admin.store.database import Database
from limosa_model.interfaces import suggest
from limosa_model.names import check_name, namespace_of

THERE_S = 300.0
"""A cluster that asked for work within it will ask again."""
IN_CONTACT_S = 20.0
"""One that asked within it asks again at once when there is a run."""
REMEMBERED_S = 1.0
MOST_NAMED = 20
"""Places that one refusal names."""


class Places:
    """Checks that a place exists as far as admin knows, and that the caller may use it."""

    def __init__(self, domains: tuple[str, ...], database: Database) -> None:
        self._domains = domains
        self._database = database
        self._served_until: dict[tuple[str, str], float] = {}

    def check(self, identity: Identity, project: str, domain: str) -> None:
        """Raises RequestError(INVALID or FORBIDDEN) unless the caller may use project and domain."""
        check(check_name("project", project))
        if domain not in self._domains:
            message = f"there is no domain '{domain}': {suggest(domain, self._domains)}"
            raise RequestError(Reason.INVALID, message)
        identity.require_project(project)

    def check_served(self, identity: Identity, project: str, domain: str) -> bool:
        """Whether a cluster that takes runs of the place is in contact now; true is remembered for a second.

        Raises RequestError(INVALID) where no cluster would ever take one.
        """
        if self._served_until.get((project, domain), 0.0) > time.monotonic():
            return True
        with self._database.transaction() as connection:
            clusters, now = queue.known_clusters(connection)
        there = [cluster.scope for cluster in clusters if (now - cluster.last_seen).total_seconds() < THERE_S]
        if not there or any(scope.has(project, domain) for scope in there):
            able = (cluster for cluster in clusters if cluster.scope.has(project, domain))
            asks = any((now - cluster.last_seen).total_seconds() < IN_CONTACT_S for cluster in able)
            if asks:
                self._served_until[project, domain] = time.monotonic() + REMEMBERED_S
            return asks
        served = {namespace for scope in there for namespace in scope.namespaces}
        # Names of other tenants' places are not the caller's business.
        own = tuple(namespace_of(allowed, "") for allowed in identity.projects) or ("",)
        known = ", ".join(sorted(name for name in served if name.startswith(own))[:MOST_NAMED])
        message = f"no cluster serves project '{project}' in domain '{domain}'; served are {known or 'none of yours'}"
        raise RequestError(Reason.INVALID, message)
