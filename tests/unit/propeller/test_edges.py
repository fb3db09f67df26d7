"""Settings, credentials, refusals, logs: what stands at the operator's edges."""

import json
import logging
from pathlib import Path

import pytest
import yaml

from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER
from limosa_model.failures import Code
from limosa_propeller.crd import load_definition
from limosa_propeller.kube.credentials import CredentialsError, load_credentials
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.rejections import rejection_of
from limosa_propeller.logs import JsonFormatter
from limosa_propeller.runs.claims import claim_of
from limosa_propeller.runs.kept_logs import new_part
from limosa_propeller.runs.spec_digest import spec_digest
from limosa_propeller.settings import SettingsError, parse_settings


class TestSettings:
    def test_defaults_need_nothing(self) -> None:
        settings = parse_settings([], {})
        assert settings.admin is None
        assert settings.namespaces == ()

    def test_flags_win_over_the_environment(self) -> None:
        environ = {"LIMOSA_ADMIN_ENDPOINT": "a:1", "LIMOSA_NAMESPACES": "x,y", "LIMOSA_TASK_IMAGE": "i:1"}
        settings = parse_settings(["--admin", "b:2"], environ)
        assert settings.admin is not None
        assert settings.admin.endpoint == "b:2"
        assert settings.namespaces == ("x", "y")
        assert settings.pods.task_image == "i:1"
        assert parse_settings(["--namespace", "all"], {}).namespaces == ()

    def test_a_pending_timeout_is_wanted_or_not(self) -> None:
        assert parse_settings([], {}).pending_timeout_seconds is None
        assert parse_settings([], {"LIMOSA_PENDING_TIMEOUT": "600"}).pending_timeout_seconds == 600

    @pytest.mark.parametrize(
        "argv",
        [
            ["--admin", "nowhere"],
            ["--task-user", "0"],
            ["--max-runs", "-1"],
            ["--pending-timeout", "0"],
            ["--value-bytes", "0"],
            ["--pending-timeout", "soon"],
            ["--packages-volume", "packages"],
            ["--packages-volume", '{"emptyDir": {}, "hostPath": {}}'],
        ],
    )
    def test_nonsense_is_refused_by_name(self, argv: list[str]) -> None:
        with pytest.raises(SettingsError, match=argv[0]):
            parse_settings(argv, {})


class TestCredentials:
    def write(self, folder: Path, user: dict) -> str:
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
            "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1/"}}],
            "users": [{"name": "u", "user": user}],
        }
        path = folder / "config"
        path.write_text(yaml.safe_dump(config))
        return str(path)

    def test_a_token(self, tmp_path: Path) -> None:
        found = load_credentials(self.write(tmp_path, {"token": "t"}))
        assert (found.server, found.current_token(), found.namespace) == ("http://127.0.0.1:1", "t", "n")

    def test_a_token_file_is_read_again(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("one\n")
        found = load_credentials(self.write(tmp_path, {"tokenFile": "token"}))
        assert found.current_token() == "one"
        (tmp_path / "token").write_text("two\n")
        assert found.current_token() == "two"

    def test_what_cannot_be_used_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(CredentialsError, match="plugin"):
            load_credentials(self.write(tmp_path, {"exec": {}}))
        with pytest.raises(CredentialsError, match="cannot be read"):
            load_credentials(str(tmp_path / "missing"))
        (tmp_path / "empty").write_text("{}")
        with pytest.raises(CredentialsError, match="current-context"):
            load_credentials(str(tmp_path / "empty"))


def forbidden(text: str, name: str = "p", cause: str = "") -> ApiError:
    """A 403 as the API server sends it: one of admission names the pod, one of authorisation does not."""
    details = {"kind": "pods", "name": name, "causes": [{"reason": cause}] if cause else []}
    body = {"reason": "Forbidden", "message": text, "details": details}
    return ApiError.from_response(403, body, None)


@pytest.mark.parametrize(
    ("error", "code", "kind", "retryable"),
    [
        (ApiError(0, "", "reset"), Code.API, FAILURE_KIND_SYSTEM, True),
        (ApiError(429, "TooManyRequests", "", 3.0), Code.API, FAILURE_KIND_SYSTEM, True),
        (ApiError(503, "", ""), Code.API, FAILURE_KIND_SYSTEM, True),
        (ApiError(409, "Conflict", "quota was changed meanwhile"), Code.API, FAILURE_KIND_SYSTEM, True),
        (
            ApiError(403, "Forbidden", 'pods "x" is forbidden: exceeded quota: q'),
            Code.QUOTA,
            FAILURE_KIND_USER,
            True,
        ),
        (
            ApiError(
                403,
                "Forbidden",
                'pods "x" is forbidden: exceeded quota: q, requested: limits.memory=1Gi,requests.cpu=2, '
                "used: limits.memory=0,requests.cpu=1500m, limited: limits.memory=4Gi,requests.cpu=3",
            ),
            Code.QUOTA,
            FAILURE_KIND_USER,
            True,
        ),
        (
            ApiError(
                403,
                "Forbidden",
                'pods "x" is forbidden: exceeded quota: q, requested: limits.memory=1Gi,requests.cpu=4, '
                "used: limits.memory=0,requests.cpu=0, limited: limits.memory=4Gi,requests.cpu=3500m",
            ),
            Code.QUOTA,
            FAILURE_KIND_USER,
            False,
        ),
        (
            ApiError(403, "Forbidden", "exceeded quota: q, requested: x=much, used: x=0, limited: x=1"),
            Code.QUOTA,
            FAILURE_KIND_USER,
            True,
        ),
        (
            forbidden('pods is forbidden: User "x" cannot create resource "pods"', name=""),
            Code.POD_FORBIDDEN,
            FAILURE_KIND_SYSTEM,
            False,
        ),
        (forbidden('violates PodSecurity "restricted:latest"'), Code.POD_POLICY, FAILURE_KIND_USER, False),
        (forbidden("maximum cpu usage per Container is 1"), Code.POD_POLICY, FAILURE_KIND_USER, False),
        (
            forbidden("failed quota: q: must specify limits.cpu for: task"),
            Code.POD_POLICY,
            FAILURE_KIND_USER,
            False,
        ),
        (
            forbidden('admission webhook "images.example" denied the request: no', name=""),
            Code.POD_POLICY,
            FAILURE_KIND_USER,
            False,
        ),
        (
            forbidden("unable to create new content", cause="NamespaceTerminating"),
            Code.NAMESPACE_TERMINATING,
            FAILURE_KIND_SYSTEM,
            True,
        ),
        (
            forbidden('error looking up service account ns/sa: serviceaccount "sa" not found'),
            Code.SERVICE_ACCOUNT_MISSING,
            FAILURE_KIND_USER,
            True,
        ),
        (ApiError(422, "Invalid", "bad label"), Code.POD_INVALID, FAILURE_KIND_USER, False),
        (ApiError(400, "BadRequest", "bad quantity"), Code.POD_INVALID, FAILURE_KIND_USER, False),
        (ApiError(404, "NotFound", "namespace"), Code.API, FAILURE_KIND_SYSTEM, False),
    ],
)
def test_refusals_of_a_pod(error: ApiError, code: str, kind: int, retryable: bool) -> None:
    rejection = rejection_of(error)
    assert (rejection.code, rejection.kind, rejection.retryable) == (code, kind, retryable)


def test_an_answer_that_is_no_status_object_is_still_an_error() -> None:
    error = ApiError.from_response(502, "<html>bad gateway</html>", "7")
    assert (error.status, error.retry_after, error.transient) == (502, 7.0, True)


@pytest.mark.parametrize(
    ("stored", "tail", "expected"),
    [
        (b"", b"a\nb\n", b"a\nb\n"),
        (b"a\nb\n", b"a\nb\nc\n", b"c\n"),
        (b"b\n", b"a\nb\n", b""),
        (b"elsewhere\n", b"c\n", b"c\n"),
    ],
)
def test_only_the_new_part_of_a_log_is_kept(stored: bytes, tail: bytes, expected: bytes) -> None:
    assert new_part(stored, tail) == expected


def test_the_spec_digest_ignores_only_what_may_change() -> None:
    spec = {"closure": "x", "desired": "RUN"}
    same = {"spec": {**spec, "desired": "ABORT", "abortReason": "why"}}
    assert spec_digest({"spec": spec}) == spec_digest(same)
    assert spec_digest({"spec": spec}) != spec_digest({"spec": {**spec, "inputs": "y"}})


def test_a_claim_is_read_even_from_a_broken_object() -> None:
    claim = claim_of(
        {"metadata": {"uid": "m"}, "spec": {"uid": "r", "epoch": {"generation": "x", "number": 2}}}
    )
    assert (claim.run_uid, claim.epoch, claim.local) == ("r", (0, 2), False)
    assert claim_of({"metadata": {"uid": "m"}}).local


def test_the_definition_serves_what_people_look_at() -> None:
    version = load_definition()["spec"]["versions"][0]
    assert [column["name"] for column in version["additionalPrinterColumns"]] == [
        "Phase",
        "Nodes",
        "Items",
        "Age",
        "Message",
    ]
    assert "status" in version["subresources"]


def test_the_definition_that_is_deployed_is_the_same() -> None:
    deployed = yaml.safe_load((Path(__file__).parents[3] / "deploy/base/crd.yaml").read_text())
    assert deployed == load_definition()


def test_a_log_line_is_one_json_object_with_its_ids() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "run %s\nis", ("a",), None)
    record.run = "ns/a"
    entry = json.loads(JsonFormatter().format(record))
    assert (entry["message"], entry["run"], entry["level"]) == ("run a\nis", "ns/a", "INFO")
