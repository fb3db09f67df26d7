"""Tokens that are valid from the start, from a file."""

import json
import pathlib
from typing import Any

from limosa_admin.identity import TOKEN_ROLES, Role
from limosa_admin.settings import SettingsError
from limosa_admin.store import tokens
from limosa_admin.store.database import Database


def load_tokens(database: Database, file: str) -> None:
    """Makes the tokens of a JSON file valid, and those of an earlier file that it lacks invalid.

    Args:
        database: Where tokens are kept.
        file: A list of {"token", "subject", "role", "projects"}; empty: there is none.

    Raises:
        SettingsError: The file cannot be read or is not such a list; the message shows no token.
    """
    entries = [_entry(file, position, entry) for position, entry in enumerate(_read(file))] if file else []
    with database.transaction() as connection:
        kept = [
            tokens.create(connection, secret, subject, role, projects, bootstrap=True)
            for secret, subject, role, projects in entries
        ]
        tokens.keep_bootstrap(connection, kept)


def _read(file: str) -> list[Any]:
    try:
        content = json.loads(pathlib.Path(file).read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"bootstrap tokens file {file} cannot be read: {error}") from error
    if not isinstance(content, list):
        raise SettingsError(f"bootstrap tokens file {file} does not hold a JSON list")
    return content


def _entry(file: str, position: int, entry: Any) -> tuple[str, str, Role, list[str]]:
    place = f"bootstrap tokens file {file}, entry {position}"
    if not isinstance(entry, dict):
        raise SettingsError(f"{place}: it is not an object with token, subject, role and projects")
    secret, subject = entry.get("token"), entry.get("subject")
    if not isinstance(secret, str) or len(secret) < 16:
        raise SettingsError(f"{place}: 'token' must be a text of at least 16 characters")
    if not isinstance(subject, str) or not subject:
        raise SettingsError(f"{place}: 'subject' is missing")
    if entry.get("role") not in TOKEN_ROLES:
        raise SettingsError(f"{place}: 'role' must be one of {', '.join(TOKEN_ROLES)}")
    projects = entry.get("projects") or []
    if not isinstance(projects, list) or not all(isinstance(project, str) for project in projects):
        raise SettingsError(f"{place}: 'projects' must be a list of names")
    return secret, subject, Role(entry["role"]), projects
