"""The place a request is about: a project and a domain."""

import time

from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError, check
from limosa_admin.store import queue
from limosa_admin.store.database import Database
from limosa_admin.store.queue import Scope
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
        # What clusters were in contact at a moment, and until when that is believed.
        self._in_contact: tuple[float, list[Scope]] = (0.0, [])

    def check(self, identity: Identity, project: str, domain: str) -> None:
        """Raises RequestError(INVALID or FORBIDDEN) unless the caller may use project and domain."""
        check(check_name("project", project))
        if domain not in self._domains:
            message = f"there is no domain '{domain}': {suggest(domain, self._domains)}"
            raise RequestError(Reason.INVALID, message)
        identity.require_project(project)

    def check_served(self, identity: Identity, project: str, domain: str) -> bool:
        """Whether a cluster that takes runs of the place is in contact now; those that are are remembered for a second.

        Raises RequestError(INVALID) where no cluster would ever take one.
        """
        until, remembered = self._in_contact
        if until > time.monotonic() and any(scope.has(project, domain) for scope in remembered):
            return True
        with self._database.transaction() as connection:
            clusters, now = queue.known_clusters(connection)
        silent = {cluster.uid: (now - cluster.last_seen).total_seconds() for cluster in clusters}
        asking = [cluster.scope for cluster in clusters if silent[cluster.uid] < IN_CONTACT_S]
        self._in_contact = time.monotonic() + REMEMBERED_S, asking
        there = [cluster.scope for cluster in clusters if silent[cluster.uid] < THERE_S]
        if not there or any(scope.has(project, domain) for scope in there):
            return any(scope.has(project, domain) for scope in asking)
        served = {namespace for scope in there for namespace in scope.namespaces}
        # Names of other tenants' places are not the caller's business.
        own = tuple(namespace_of(allowed, "") for allowed in identity.projects) or ("",)
        known = ", ".join(sorted(name for name in served if name.startswith(own))[:MOST_NAMED])
        remedy = (
            "choose one with -p and -d" if known else "ask whoever runs the platform to have yours served"
        )
        served_are = f"served are {known or 'none of yours'}: {remedy}"
        message = f"no cluster serves project '{project}' in domain '{domain}'; {served_are}"
        raise RequestError(Reason.INVALID, message)
