"""What a person means who writes a task's or workflow's name without its module."""

import difflib
from collections.abc import Iterable

from limosa.errors import LimosaError
from limosa.remote import Client
from limosa_idl.admin.v1alpha1 import admin_pb2

TASKS = (admin_pb2.ENTITY_KIND_TASK,)
TARGETS = (admin_pb2.ENTITY_KIND_WORKFLOW, admin_pb2.ENTITY_KIND_TASK, admin_pb2.ENTITY_KIND_LAUNCH_PLAN)


def full_name(client: Client, name: str, kinds: Iterable["admin_pb2.EntityKind.ValueType"]) -> str:
    """The registered name that was meant; asked for where nothing was found under the name as it was written.

    Args:
        client: Of the server that knows what is registered.
        name: As it was written: whole, or its last part.
        kinds: What it may be of.

    Raises:
        LimosaError: Nothing is called so, or several are.
        RemoteError: The server refuses.
    """
    known = list(dict.fromkeys(entity.id.name for kind in kinds for entity in client.list_entities(kind)))
    if name in known:
        return name
    short = [one for one in known if one.rpartition(".")[2] == name]
    if len(short) == 1:
        return short[0]
    place = client.target.describe()
    if short:
        message = f"several are called '{name}': {', '.join(short)}"
        raise LimosaError("AmbiguousName", message, place, "write the whole name")
    lasts = {one.rpartition(".")[2]: one for one in reversed(known)}
    close = difflib.get_close_matches(name, [*known, *lasts], n=1)
    listed = "limosa get tasks lists those there are" if known else "register it with `limosa register FILE`"
    remedy = f"did you mean '{lasts.get(close[0], close[0])}'?" if close else listed
    raise LimosaError("UnknownName", f"nothing is registered as '{name}'", place, remedy)
