"""Pages of a list: each page continues the same consistent list, however the objects change meanwhile."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections import OrderedDict

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.records import Record

_KEPT = 64
_EXPIRED = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter."
_Page = tuple[list[Record], int, str, int]


class Pages:
    """Lists that clients are reading page by page; the oldest ones are forgotten first."""

    def __init__(self) -> None:
        self._lists: OrderedDict[str, tuple[list[Record], int]] = OrderedDict()

    def first(self, records: list[Record], version: int, limit: int) -> tuple[list[Record], str, int]:
        """Return the first page of a list, the token of the next (empty: none) and how many records follow.

        Args:
            records: The whole list.
            version: The resource version it was made at.
            limit: Records a page, 0 for all.
        """
        if not limit or len(records) <= limit:
            return records, "", 0
        key = secrets.token_hex(8)
        self._lists[key] = (records, version)
        while len(self._lists) > _KEPT:
            self._lists.popitem(last=False)
        return records[:limit], _token(key, limit), len(records) - limit

    def next(self, token: str, limit: int) -> _Page:
        """Return the page a token stands for, the list's version, the next token and how many records follow.

        Raises:
            ApiError: 410 when the list was forgotten, 400 when the token is none.
        """
        key, offset = _parse(token)
        if key not in self._lists:
            raise ApiError(410, _EXPIRED)
        records, version = self._lists[key]
        end = min(offset + limit, len(records)) if limit else len(records)
        left = len(records) - end
        return records[offset:end], version, _token(key, end) if left else "", left


def _token(key: str, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{key}.{offset}".encode()).decode()


def _parse(token: str) -> tuple[str, int]:
    try:
        key, _, offset = base64.urlsafe_b64decode(token.encode()).decode().partition(".")
        return key, int(offset)
    except (binascii.Error, ValueError):
        raise ApiError(400, "continue key is not valid") from None
