"""What the cluster's owner lets pods ask for beyond the platform's own rules."""

import dataclasses
from collections.abc import Iterable

VARIABLE = "LIMOSA_PODS_MAY"
PLAIN = (
    "privileged",
    "root",
    "host-mounts",
    "host-namespaces",
    "host-ports",
    "other-volumes",
    "shared-processes",
    "service-account-token",
    "system-priority",
    "unconfined",
)
CAPABILITY = "capability:"
SERVICE_ACCOUNT = "service-account:"


class AllowanceError(ValueError):
    """A word is no allowance; the message lists those that are."""


@dataclasses.dataclass(frozen=True)
class Allowances:
    """Words out of `PLAIN`, "capability:NAME" and "service-account:NAME"."""

    words: frozenset[str] = frozenset()

    def remedy(self, word: str) -> str:
        """Which setting would allow it, for people; empty where it is allowed."""
        return "" if word in self.words else f"{VARIABLE}={word} on the operator would allow it"


def parse_allowances(words: Iterable[str]) -> Allowances:
    """Checks words. Raises AllowanceError."""
    found = frozenset(word.strip() for word in words if word.strip())
    for word in sorted(found):
        prefix, _, name = word.partition(":")
        if word not in PLAIN and not (f"{prefix}:" in (CAPABILITY, SERVICE_ACCOUNT) and name):
            known = ", ".join((*PLAIN, CAPABILITY + "NAME", SERVICE_ACCOUNT + "NAME"))
            raise AllowanceError(f"'{word}' is nothing that pods may be allowed: {known}")
    return Allowances(found)
