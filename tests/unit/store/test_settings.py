import pytest

from limosa_store import ErrorCode, StoreError, StoreSettings, open_store


def test_own_variables_win_over_those_of_aws() -> None:
    environ = {
        "LIMOSA_STORAGE_URL": "s3://bucket/root/",
        "AWS_ACCESS_KEY_ID": "theirs",
        "AWS_SECRET_ACCESS_KEY": "their secret",
        "AWS_SESSION_TOKEN": "their token",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://theirs",
    }
    theirs = StoreSettings.from_env(environ)
    assert (theirs.access_key, theirs.session_token, theirs.region) == ("theirs", "their token", "eu-west-1")
    assert theirs.endpoint == "http://theirs"
    ours = StoreSettings.from_env(
        environ
        | {
            "LIMOSA_STORAGE_ACCESS_KEY_ID": "ours",
            "LIMOSA_STORAGE_SECRET_ACCESS_KEY": "our secret",
            "LIMOSA_STORAGE_ENDPOINT": "http://ours",
        }
    )
    assert (ours.access_key, ours.secret_key, ours.endpoint) == ("ours", "our secret", "http://ours")
    assert ours.session_token == ""
    assert ours.location() == ("s3", "bucket", "root")


def test_settings_survive_the_environment() -> None:
    settings = StoreSettings(
        "s3://b/r",
        endpoint="http://e",
        public_endpoint="http://p",
        region="r1",
        access_key="a",
        secret_key="s",
    )
    assert StoreSettings.from_env(settings.to_env()) == settings


@pytest.mark.parametrize(
    "url", ["", "bucket/root", "s3://", "file://relative/x", "gs://b/r", "https://h/b", "s3://b/r?x=1"]
)
def test_urls_that_name_no_store_are_refused(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(StoreSettings.from_env({"LIMOSA_STORAGE_URL": url}))
    assert caught.value.code is ErrorCode.INVALID_SETTINGS
    assert "s3://<bucket>/<root>" in caught.value.message


def test_secrets_are_not_shown() -> None:
    shown = repr(StoreSettings("s3://b", access_key="key", secret_key="hush", session_token="quiet"))
    assert "hush" not in shown
    assert "quiet" not in shown


def test_directories_with_odd_names() -> None:
    assert StoreSettings("file:///tmp/a%20b").location() == ("file", "", "/tmp/a b")
