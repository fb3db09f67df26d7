"""The place a request is about: a project and a domain."""

from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError, check
from limosa_model.interfaces import suggest
from limosa_model.names import check_name


class Places:
    """Checks that a place exists as far as admin knows, and that the caller may use it."""

    def __init__(self, domains: tuple[str, ...]) -> None:
        self._domains = domains

    def check(self, identity: Identity, project: str, domain: str) -> None:
        """Raises RequestError(INVALID or FORBIDDEN) unless the caller may use project and domain."""
        check(check_name("project", project))
        if domain not in self._domains:
            message = f"there is no domain '{domain}': {suggest(domain, self._domains)}"
            raise RequestError(Reason.INVALID, message)
        identity.require_project(project)
