"""Clusters as people see them: listed, and given up when they will not come back."""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.rpc.call import Call
from limosa_admin.store import claims
from limosa_admin.store.database import Database
from limosa_admin.waiting import CONTACT_S
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb


class ClusterService:
    """Who works on runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_clusters(self, request: pb.ListClustersRequest, call: Call) -> pb.ListClustersResponse:
        """Every cluster that ever asked for work, by name."""
        with self._database.transaction() as connection:
            return pb.ListClustersResponse(clusters=_known(connection))

    def lose_cluster(self, request: pb.LoseClusterRequest, call: Call) -> pb.LoseClusterResponse:
        """Releases the claims of the clusters of a name; those that are in contact keep theirs unless forced."""
        _check_scope(call.identity)
        with self._database.transaction() as connection:
            known = _known(connection)
            named = [one for one in known if request.name in (one.uid, one.name)]
            lost = [one.uid for one in named if request.force or not one.in_contact]
            if not lost:
                raise _refusal(request.name, named, known)
            return pb.LoseClusterResponse(released_runs=claims.lose(connection, lost))


def _known(connection: sa.Connection) -> list[pb.Cluster]:
    now = connection.execute(sa.select(sa.func.now())).scalar_one()
    found = []
    for row in claims.list_clusters(connection):
        in_contact = now - row["last_seen"] <= dt.timedelta(seconds=CONTACT_S)
        one = pb.Cluster(
            uid=row["uid"], name=row["name"], in_contact=in_contact, active_runs=row["active_runs"]
        )
        one.last_seen.FromDatetime(row["last_seen"])
        found.append(one)
    return found


def _check_scope(caller: Identity) -> None:
    if caller.projects:
        message = "a cluster is given up for all projects; use a token that is not limited to some"
        raise RequestError(Reason.FORBIDDEN, message)


def _refusal(name: str, named: Sequence[pb.Cluster], known: Sequence[pb.Cluster]) -> RequestError:
    if not named:
        names = ", ".join(sorted({one.name for one in known})) or "none"
        return RequestError(Reason.NOT_FOUND, f"there is no cluster '{name}'; known: {names}")
    message = (
        f"cluster {name} is in contact: its runs go on there. To stop it from taking more, set its --max-runs to 0; "
        f"to have its runs go on elsewhere all the same, use `limosa cluster lost {name} --force`"
    )
    return RequestError(Reason.PRECONDITION, message)
