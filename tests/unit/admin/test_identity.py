import pytest

from limosa_admin.identity import Identity, Role
from limosa_admin.request_errors import RequestError

LEVELS = [Role.PUBLIC, Role.VIEWER, Role.CONTRIBUTOR, Role.ADMIN]


@pytest.mark.parametrize("held", LEVELS[1:])
@pytest.mark.parametrize("needed", LEVELS)
def test_people_may_what_lesser_roles_may(held: Role, needed: Role) -> None:
    assert Identity(1, "a", held, frozenset()).has_role(needed) == (
        LEVELS.index(needed) <= LEVELS.index(held)
    )


@pytest.mark.parametrize("other", LEVELS[1:])
def test_the_operator_stands_apart(other: Role) -> None:
    operator = Identity(1, "a", Role.OPERATOR, frozenset())
    assert operator.has_role(Role.OPERATOR)
    assert not operator.has_role(other)
    assert not Identity(1, "a", other, frozenset()).has_role(Role.OPERATOR)


def test_projects_limit_and_the_refusal_names_them() -> None:
    limited = Identity(1, "ana", Role.ADMIN, frozenset({"b", "a"}))
    assert limited.may_use("a")
    with pytest.raises(RequestError, match="ana may not use project 'c': this token is limited to a, b"):
        limited.require_project("c")
    assert Identity(1, "ana", Role.VIEWER, frozenset()).may_use("anything")
