"""Who calls, and what a role may do."""

import dataclasses
import enum

from limosa_admin.request_errors import Reason, RequestError
from limosa_model.attempt_tokens import AttemptClaims


class Role(enum.Enum):
    """What a token is good for. Viewer, contributor and admin contain each other; operator and attempt stand apart."""

    PUBLIC = "public"
    """No token needed; never a token's role."""
    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    ADMIN = "admin"
    OPERATOR = "operator"
    ATTEMPT = "attempt"
    """A launch of an eager node; its tokens are made by the operator, and say which it is."""


TOKEN_ROLES = tuple(role.value for role in Role if role not in (Role.PUBLIC, Role.ATTEMPT))
_RANK = {Role.VIEWER: 1, Role.CONTRIBUTOR: 2, Role.ADMIN: 3}


@dataclasses.dataclass(frozen=True)
class Identity:
    """The bearer of a valid token."""

    token_id: int
    subject: str
    """Who, for records and messages ("ana@example.org")."""
    role: Role
    projects: frozenset[str]
    """Projects it is limited to; empty means all."""
    attempt: AttemptClaims | None = None
    """Which launch it is, where the role is ATTEMPT."""

    def has_role(self, needed: Role) -> bool:
        """Whether it may call what is registered for a role."""
        if needed is Role.PUBLIC or needed is self.role:
            return True
        return _RANK.get(self.role, 0) >= _RANK.get(needed, 99)

    def may_use(self, project: str) -> bool:
        """Whether it may see and change what belongs to a project."""
        return not self.projects or project in self.projects

    def require_project(self, project: str) -> None:
        """Refuses with FORBIDDEN unless `may_use`."""
        if not self.may_use(project):
            allowed = ", ".join(sorted(self.projects))
            raise RequestError(
                Reason.FORBIDDEN,
                f"{self.subject} may not use project '{project}': this token is limited to {allowed}",
            )
