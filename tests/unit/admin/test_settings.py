import pytest

from limosa_admin.settings import AdminSettings, SettingsError, split_listen

ENVIRONMENT = {
    "LIMOSA_DATABASE_URL": "postgres://u:hunter2@db/limosa",
    "LIMOSA_STORAGE_URL": "file:///tmp/objects",
}


def test_settings_come_from_the_environment() -> None:
    settings = AdminSettings.from_env(
        {
            **ENVIRONMENT,
            "LIMOSA_SANDBOX": "1",
            "LIMOSA_ADMIN_PUBLIC_URL": "https://limosa.example/",
            "LIMOSA_ADMIN_DOMAINS": "test, live",
            "LIMOSA_ADMIN_MAX_ACTIVE_RUNS": "7",
        }
    )
    assert settings.database_url == "postgresql+psycopg2://u:hunter2@db/limosa"
    assert settings.sandbox
    assert settings.public_url == "https://limosa.example"
    assert settings.domains == ("test", "live")
    assert settings.max_active_runs == 7
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"LIMOSA_DATABASE_URL": ""}, "set LIMOSA_DATABASE_URL"),
        ({"LIMOSA_DATABASE_URL": "mysql://x"}, "only postgresql:// is supported"),
        ({"LIMOSA_ADMIN_GRPC_LISTEN": "8089"}, "LIMOSA_ADMIN_GRPC_LISTEN='8089' is not <host>:<port>"),
        ({"LIMOSA_ADMIN_HTTP_LISTEN": "a:b"}, "LIMOSA_ADMIN_HTTP_LISTEN"),
        ({"LIMOSA_ADMIN_RECLAIM_AFTER_S": "-1"}, "LIMOSA_ADMIN_RECLAIM_AFTER_S='-1' is not a whole number"),
    ],
)
def test_a_bad_setting_is_named_with_its_remedy(change: dict[str, str], expected: str) -> None:
    with pytest.raises(SettingsError) as raised:
        AdminSettings.from_env({**ENVIRONMENT, **change})
    assert expected in str(raised.value)


def test_listen_addresses_may_be_ipv6() -> None:
    assert split_listen("X", "[::1]:80") == ("::1", 80)
