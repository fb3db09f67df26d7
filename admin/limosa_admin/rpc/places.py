"""The place a request is about: a project and a domain."""

from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError, check
from limosa_admin.store import claims
from limosa_admin.store.database import Database
from limosa_model.interfaces import suggest
from limosa_model.names import check_name, namespace_of

MOST_NAMED = 20
"""Places that one refusal names."""


class Places:
    """Checks that a place exists as far as admin knows, and that the caller may use it."""

    def __init__(self, domains: tuple[str, ...], database: Database) -> None:
        self._domains = domains
        self._database = database

    def check(self, identity: Identity, project: str, domain: str) -> None:
        """Raises RequestError(INVALID or FORBIDDEN) unless the caller may use project and domain."""
        check(check_name("project", project))
        if domain not in self._domains:
            message = f"there is no domain '{domain}': {suggest(domain, self._domains)}"
            raise RequestError(Reason.INVALID, message)
        identity.require_project(project)

    def check_served(self, identity: Identity, project: str, domain: str) -> None:
        """Raises RequestError(INVALID) where no cluster would ever take a run of the place."""
        with self._database.transaction() as connection:
            served = claims.served(connection)
        place = namespace_of(project, domain)
        if served is None or place in served:
            return
        # Names of other tenants' places are not the caller's business.
        own = tuple(namespace_of(allowed, "") for allowed in identity.projects) or ("",)
        known = ", ".join(sorted(name for name in served if name.startswith(own))[:MOST_NAMED])
        message = f"no cluster serves project '{project}' in domain '{domain}'; served are {known or 'none of yours'}"
        raise RequestError(Reason.INVALID, message)
