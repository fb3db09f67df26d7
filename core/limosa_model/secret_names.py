"""Variables by which tasks find their secrets."""

import re


def variable_of(key: str) -> str:
    """The variable of a key of a Secret, unless the author names one: "hub-token" gives HUB_TOKEN."""
    return re.sub(r"[^A-Z0-9_]", "_", key.upper())


def path_variable_of(key: str) -> str:
    """The variable that holds the path of a secret that comes as a file: HUB_TOKEN_FILE."""
    return f"{variable_of(key)}_FILE"
