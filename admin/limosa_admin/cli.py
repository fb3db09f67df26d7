"""The commands an admin's host runs: serve, migrate, and what a person decides about tokens and clusters."""

import argparse
import datetime as dt
import os
import sys
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from limosa_admin.identity import TOKEN_ROLES, Role
from limosa_admin.request_errors import RequestError
from limosa_admin.settings import AdminSettings, SettingsError, database_url
from limosa_admin.store.database import Database, SchemaError
from limosa_admin.structured_log import set_up_logging
from limosa_store import StoreError


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns the exit code: 0, 1 when it could not be done, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (SettingsError, SchemaError, StoreError, RequestError) as error:
        print(f"limosa-admin: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m limosa_admin",
        description="Limosa's control plane. Settings come from LIMOSA_* variables; see limosa_admin.settings.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve gRPC and the pages")
    serve.add_argument("--migrate", action="store_true", help="migrate the database first")
    serve.set_defaults(command=_serve)
    commands.add_parser("migrate", help="bring the database to this version").set_defaults(command=_migrate)
    restored = commands.add_parser("restored", help="say that the database was restored from a backup")
    restored.set_defaults(command=_restored)
    _token_commands(commands.add_parser("token", help="make, list and revoke tokens"))
    _cluster_commands(commands.add_parser("cluster", help="list clusters, or give one up"))
    return parser


def _token_commands(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    create = verbs.add_parser("create", help="print a new token; only its digest is kept")
    create.add_argument("subject", help="who it is for, such as ana@example.org")
    create.add_argument("--role", choices=TOKEN_ROLES, default=Role.CONTRIBUTOR.value)
    create.add_argument("--project", action="append", default=[], help="limit it to a project; repeatable")
    create.add_argument("--days", type=int, help="days until it expires; default: never")
    create.set_defaults(command=_create_token)
    verbs.add_parser("list", help="list tokens").set_defaults(command=_list_tokens)
    revoke = verbs.add_parser("revoke", help="end a token")
    revoke.add_argument("id", type=int)
    revoke.set_defaults(command=_revoke_token)


def _cluster_commands(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", help="list clusters").set_defaults(command=_list_clusters)
    lost = verbs.add_parser("lost", help="let other clusters take the runs of one that will not come back")
    lost.add_argument("name")
    lost.set_defaults(command=_lose_cluster)


def _serve(options: argparse.Namespace) -> int:
    # Servers and Alembic are not loaded for the small commands.
    from limosa_admin import serve

    set_up_logging()
    serve.run(AdminSettings.from_env(os.environ), migrate=options.migrate)
    return 0


def _migrate(options: argparse.Namespace) -> int:
    from limosa_admin.store.migrating import migrate

    database = _open()
    migrate(database)
    print(f"the database is at migration {database.revision()}")
    return 0


def _restored(options: argparse.Namespace) -> int:
    from limosa_admin.store.schema import server

    with _open().transaction() as connection:
        grown = sa.update(server).values(generation=server.c.generation + 1).returning(server.c.generation)
        generation = connection.execute(grown).scalar_one()
    print(f"the database is now generation {generation}; claims made before it was restored are stale")
    return 0


def _create_token(options: argparse.Namespace) -> int:
    from limosa_admin.store import tokens

    secret = tokens.new_secret()
    expires_at = None
    if options.days is not None:
        expires_at = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=options.days)
    with _open().transaction() as connection:
        tokens.create(connection, secret, options.subject, Role(options.role), options.project, expires_at)
    print(secret)
    return 0


def _list_tokens(options: argparse.Namespace) -> int:
    from limosa_admin.store import tokens

    with _open().transaction() as connection:
        for row in tokens.list_all(connection):
            projects = ",".join(row["projects"]) or "all"
            expires = row["expires_at"].isoformat() if row["expires_at"] else "never"
            print(f"{row['id']}\t{row['role']}\t{row['subject']}\tprojects={projects}\texpires={expires}")
    return 0


def _revoke_token(options: argparse.Namespace) -> int:
    from limosa_admin.store import tokens

    with _open().transaction() as connection:
        revoked = tokens.revoke(connection, options.id)
    if not revoked:
        print(f"limosa-admin: there is no token {options.id}; `token list` shows them", file=sys.stderr)
    return 0 if revoked else 1


def _list_clusters(options: argparse.Namespace) -> int:
    from limosa_admin.store import claims

    with _open().transaction() as connection:
        for row in claims.list_clusters(connection):
            seen = row["last_seen"].isoformat(timespec="seconds")
            print(f"{row['name']}\t{row['uid']}\truns={row['active_runs']}\tlast seen {seen}")
    return 0


def _lose_cluster(options: argparse.Namespace) -> int:
    from limosa_admin.store import claims

    with _open().transaction() as connection:
        uids = claims.named(connection, options.name)
        released = claims.lose(connection, uids)
    if not uids:
        print(
            f"limosa-admin: no cluster '{options.name}' is known; `cluster list` shows them", file=sys.stderr
        )
        return 1
    print(f"{released} runs of {options.name} can be taken by other clusters now")
    return 0


def _open() -> Database:
    return Database(database_url(os.environ), pool_size=1)
