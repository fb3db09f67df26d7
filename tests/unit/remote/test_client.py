"""Calls: credentials, errors a person can act on, watches that outlive the server."""

import grpc
import pytest
from fake_admin import FakeAdmin, Refuse, client_of, serving

from limosa.cli.exit_codes import ExitCode, exit_code_of
from limosa.errors import LimosaError
from limosa.remote import RemoteError, connection
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr(connection, "RETRY_PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr("limosa.remote.client.backoff", lambda: iter([0.05] * 200))


@pytest.fixture
def admin():
    made = FakeAdmin()
    with serving(made) as port:
        made.port = port
        yield made


def update(phase, name="r"):
    return pb.RunUpdate(run=pb.Run(name=name, state=run_pb2.RunState(phase=phase)))


RUNNING, DONE = update(run_pb2.RUN_PHASE_RUNNING), update(run_pb2.RUN_PHASE_SUCCEEDED)


def test_every_call_carries_the_token(admin):
    admin.script["GetInfo"] = [pb.GetInfoResponse(version="1")]
    with client_of(admin.port) as client:
        assert client.info().version == "1"
    assert admin.calls[0][2]["authorization"] == "Bearer tok"


def test_a_call_is_repeated_while_the_server_is_not_ready(admin):
    admin.script["GetInfo"] = [Refuse(grpc.StatusCode.UNAVAILABLE), pb.GetInfoResponse(version="2")]
    with client_of(admin.port) as client:
        assert client.info().version == "2"


def test_a_server_that_has_answered_is_given_time_to_start_again(admin, monkeypatch):
    monkeypatch.setattr(connection, "RESTART_PAUSES_S", (0.01,) * 6)
    admin.script["GetInfo"] = [pb.GetInfoResponse(version="1")]
    admin.script["CreateRun"] = [*[Refuse(grpc.StatusCode.UNAVAILABLE)] * 5, pb.Run(name="calm")]
    with client_of(admin.port) as client:
        client.info()
        assert client.create_run("calm", pb.EntityId(), LiteralMap()).name == "calm"


def test_a_run_that_may_have_been_made_is_named(admin):
    admin.script["CreateRun"] = [Refuse(grpc.StatusCode.UNAVAILABLE)]
    with client_of(admin.port) as client, pytest.raises(RemoteError) as caught:
        client.create_run("calm", pb.EntityId(), LiteralMap())
    assert caught.value.code == RemoteError.UNREACHABLE
    assert "whether run calm was made is not known: `limosa get run calm`" in caught.value.remedy


@pytest.mark.parametrize("token", ["tök", "a\nb", "ab\x7f"])
def test_a_token_that_no_header_can_carry_is_refused_here(admin, token):
    with pytest.raises(LimosaError, match="the token has characters that no token has") as caught:
        client_of(admin.port, token)
    assert token not in str(caught.value)
    assert exit_code_of(caught.value) is ExitCode.UNREACHABLE


def test_nobody_there_names_endpoint_and_remedy():
    with serving(FakeAdmin()) as port:
        pass
    with client_of(port, context="demo") as client, pytest.raises(RemoteError) as caught:
        client.info()
    error = caught.value
    assert error.code == RemoteError.UNREACHABLE
    assert f"http://127.0.0.1:{port}" in error.place
    assert error.message == "admin does not answer (connection refused)"
    assert "limosa demo start" in error.remedy


@pytest.mark.parametrize(
    ("status", "token", "code", "message"),
    [
        (
            grpc.StatusCode.UNAUTHENTICATED,
            "tok",
            RemoteError.UNAUTHENTICATED,
            "does not accept the token: why",
        ),
        (grpc.StatusCode.UNAUTHENTICATED, "", RemoteError.UNAUTHENTICATED, "wants a token; none is set"),
        (grpc.StatusCode.PERMISSION_DENIED, "tok", RemoteError.FORBIDDEN, "why"),
        (grpc.StatusCode.INVALID_ARGUMENT, "tok", RemoteError.INVALID, "why"),
        (grpc.StatusCode.NOT_FOUND, "tok", RemoteError.NOT_FOUND, "why"),
        (grpc.StatusCode.ALREADY_EXISTS, "tok", RemoteError.EXISTS, "why"),
        (grpc.StatusCode.FAILED_PRECONDITION, "tok", RemoteError.PRECONDITION, "why"),
        (grpc.StatusCode.DATA_LOSS, "tok", RemoteError.CORRUPT, "why"),
        (grpc.StatusCode.UNIMPLEMENTED, "tok", RemoteError.SERVER, "admin knows no such call: why"),
        (grpc.StatusCode.INTERNAL, "tok", RemoteError.SERVER, "admin failed (INTERNAL): why"),
    ],
)
def test_refusals(admin, status, token, code, message):
    admin.script["GetInfo"] = [Refuse(status, "why")]
    with client_of(admin.port, token=token) as client, pytest.raises(RemoteError) as caught:
        client.info()
    assert caught.value.code == code
    assert message in caught.value.message


def test_a_damaged_object_is_not_asked_for_again(admin):
    told = (
        "the commit of n0 is damaged: the object in the store is not what was written; run the workflow again"
    )
    admin.script["GetRunData"] = [Refuse(grpc.StatusCode.DATA_LOSS, told)]
    with client_of(admin.port) as client, pytest.raises(RemoteError) as caught:
        client.run_data("r", "n0")
    assert (caught.value.message, exit_code_of(caught.value)) == (told, ExitCode.SYSTEM)
    assert "asking again gives the same" in caught.value.remedy
    assert "a backup of the store" in caught.value.remedy
    assert len(admin.calls) == 1


def test_what_the_server_adds_to_a_refusal_is_kept(admin):
    failure = Failure(code="GraphInvalid", message="m")
    metadata = (("limosa-failure-bin", failure.SerializeToString()),)
    admin.script["AbortRun"] = [Refuse(grpc.StatusCode.FAILED_PRECONDITION, "no", metadata)]
    with client_of(admin.port) as client, pytest.raises(RemoteError) as caught:
        client.abort_run("r", "because")
    assert caught.value.failure == failure


def test_lists_go_over_every_page(admin):
    admin.script["ListRuns"] = [
        pb.ListRunsResponse(runs=[pb.Run(name="a")], next_page_token="t"),
        pb.ListRunsResponse(runs=[pb.Run(name="b")]),
    ]
    with client_of(admin.port) as client:
        assert [run.name for run in client.list_runs()] == ["a", "b"]
    assert admin.calls[1][1].page_token == "t"


def test_a_watch_ends_with_the_run(admin):
    admin.script["WatchRun"] = [[RUNNING, DONE, RUNNING]]
    with client_of(admin.port) as client:
        phases = [one.run.state.phase for one in client.watch_run("r")]
    assert phases == [run_pb2.RUN_PHASE_RUNNING, run_pb2.RUN_PHASE_SUCCEEDED]


def test_a_watch_connects_again_after_a_lost_connection_and_says_so(admin):
    admin.script["WatchRun"] = [
        [RUNNING, Refuse(grpc.StatusCode.UNAVAILABLE, "shutting down")],
        [RUNNING],
        [DONE],
    ]
    troubles = []
    with client_of(admin.port) as client:
        seen = list(client.watch_run("r", on_trouble=troubles.append))
    assert len(seen) == 3
    assert [error.message for error in troubles] == ["admin does not answer (it is shutting down)"]


def test_a_watch_outlives_a_server_that_is_replaced():
    first, second = FakeAdmin(), FakeAdmin()
    first.script["WatchRun"] = [[RUNNING]]
    second.script["WatchRun"] = [[DONE]]
    troubles = []
    with serving(first) as port:
        client = client_of(port)
        updates = client.watch_run("r", on_trouble=troubles.append)
        assert next(updates) == RUNNING
    with serving(second, port), client:
        assert next(updates) == DONE
        assert list(updates) == []


def test_a_watch_of_a_server_that_never_answered_fails_at_once():
    with serving(FakeAdmin()) as port:
        pass
    with client_of(port) as client, pytest.raises(RemoteError) as caught:
        list(client.watch_run("r"))
    assert caught.value.code == RemoteError.UNREACHABLE


def test_a_watch_ends_with_a_timeout_when_told_to(admin):
    admin.script["WatchRun"] = [[RUNNING, lambda context: threading_wait(context)]]
    with client_of(admin.port) as client, pytest.raises(RemoteError) as caught:
        list(client.watch_run("r", timeout=0.3))
    assert caught.value.code == RemoteError.TIMEOUT


def test_other_errors_of_a_watch_are_not_retried(admin):
    admin.script["WatchRun"] = [[RUNNING, Refuse(grpc.StatusCode.NOT_FOUND, "run 'r' does not exist")]]
    with client_of(admin.port) as client, pytest.raises(RemoteError, match="does not exist"):
        list(client.watch_run("r"))
    assert len(admin.calls) == 1


def threading_wait(context):
    """Holds a stream open until the client leaves."""
    import threading

    left = threading.Event()
    context.add_callback(left.set)
    left.wait(5)


@pytest.mark.parametrize("call", ["get_run", "delete_run", "run_data", "watch_run", "logs", "abort_run"])
def test_an_unknown_run_suggests_the_nearest(admin, call):
    method = {"logs": "TailLogs", "run_data": "GetRunData"}.get(call, call.title().replace("_", ""))
    refused = Refuse(grpc.StatusCode.NOT_FOUND, "there is no run 'calm-hern'")
    admin.script[method] = [[refused]] if call in ("watch_run", "logs") else [refused]
    admin.script["ListRuns"] = [pb.ListRunsResponse(runs=[pb.Run(name="calm-heron"), pb.Run(name="other")])]
    arguments = ("calm-hern", "why") if call == "abort_run" else ("calm-hern",)
    with client_of(admin.port) as client, pytest.raises(RemoteError) as caught:
        list(getattr(client, call)(*arguments) or ())
    assert caught.value.remedy == "did you mean 'calm-heron'?"


def test_a_run_that_is_there_is_not_suggested_for_itself(admin):
    admin.script["GetRunData"] = [Refuse(grpc.StatusCode.NOT_FOUND, "there is no node n9")]
    admin.script["ListRuns"] = [pb.ListRunsResponse(runs=[pb.Run(name="r")])]
    with client_of(admin.port) as client, pytest.raises(RemoteError) as caught:
        client.run_data("r", "n9")
    assert caught.value.remedy == ""
