"""New runs that come together are written together, and each is answered by itself."""

import concurrent.futures
import datetime as dt
import json
import threading
import time
from typing import NamedTuple

import pytest
from sqlalchemy import exc

from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.store.arrivals import Arrivals, NewRun
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap


class Made(NamedTuple):
    uid: str
    number: int
    created_at: dt.datetime


class Tables:
    """Stands for the database: keeps uids, and lets a test hold the first statement up."""

    def __init__(self) -> None:
        self.statements: list[list[str]] = []
        self.held, self.entered = threading.Event(), threading.Event()
        self.kept: set[str] = set()
        self.failure: Exception | None = None

    def single(self, statement: str, given: str) -> list[Made]:
        new = [row["uid"] for row in json.loads(given)]
        self.statements.append(new)
        if len(self.statements) == 1:
            self.entered.set()
            assert self.held.wait(30)
        if self.failure is not None and "bad" in new:
            raise self.failure
        made = [uid for uid in dict.fromkeys(new) if uid not in self.kept]
        self.kept.update(made)
        return [Made(uid, len(self.kept), dt.datetime.now(dt.timezone.utc)) for uid in made]


def new_run(uid: str) -> NewRun:
    return NewRun(uid, "p", "d", f"run-{uid}", "", pb.EntityId(), "digest", LiteralMap(), {}, {}, "me")


def create_together(tables: Tables, *uids: str) -> list[object]:
    """What comes of the first, and of the others, which come while the first is being written."""
    arrivals = Arrivals(tables)  # type: ignore[arg-type]
    with concurrent.futures.ThreadPoolExecutor(len(uids)) as pool:
        first = pool.submit(arrivals.create, new_run(uids[0]))
        assert tables.entered.wait(30)
        others = [pool.submit(arrivals.create, new_run(uid)) for uid in uids[1:]]
        while len(arrivals._waiting) < len(others):
            time.sleep(0.001)
        tables.held.set()
        return [each.exception(30) or each.result() for each in [first, *others]]


def test_what_comes_while_a_run_is_written_is_written_together() -> None:
    tables = Tables()
    rows = create_together(tables, "a", "b", "c", "d")
    assert [row["uid"] for row in rows if isinstance(row, dict)] == ["a", "b", "c", "d"]
    assert [sorted(uids) for uids in tables.statements] == [["a"], ["b", "c", "d"]]


def test_of_two_with_one_uid_one_is_made() -> None:
    rows = create_together(Tables(), "a", "b", "b")
    assert sorted(row is None for row in rows) == [False, False, True]


def test_one_that_is_refused_does_the_others_no_harm() -> None:
    tables = Tables()
    tables.failure = exc.IntegrityError("INSERT", {}, Exception("refused"))
    rows = create_together(tables, "a", "b", "bad", "c")
    assert [isinstance(row, dict) for row in rows] == [True, True, False, True]
    assert rows[2] is tables.failure


def test_where_the_database_is_gone_everyone_is_told_at_once() -> None:
    tables = Tables()
    tables.failure = RequestError(Reason.UNAVAILABLE, "the database does not answer")
    rows = create_together(tables, "a", "b", "bad", "c")
    assert [row is tables.failure for row in rows] == [False, True, True, True]
    assert len(tables.statements) == 2


def test_a_bug_is_nobody_s_name_that_is_taken() -> None:
    tables = Tables()
    tables.failure = KeyError("a bug")
    rows = create_together(tables, "a", "b", "bad", "c")
    assert isinstance(rows[0], dict)
    assert [row is tables.failure for row in rows[1:]] == [True, True, True]


def test_who_calls_afterwards_is_served_again() -> None:
    tables = Tables()
    tables.held.set()
    tables.failure = exc.IntegrityError("INSERT", {}, Exception("refused"))
    arrivals = Arrivals(tables)  # type: ignore[arg-type]
    with pytest.raises(exc.IntegrityError):
        arrivals.create(new_run("bad"))
    row = arrivals.create(new_run("good"))
    assert row is not None
    assert row["uid"] == "good"
