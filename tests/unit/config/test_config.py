"""Configuration: which value wins, where it came from, what a bad file says."""

import pytest

from limosa.config import ConfigError, Context, ContextFile, resolve


@pytest.fixture
def place(tmp_path):
    environ = {"LIMOSA_CONFIG": str(tmp_path / "cfg" / "config.toml")}
    project = tmp_path / "repo" / "deep" / "er"
    project.mkdir(parents=True)
    return environ, project


def save(environ, *contexts, current=""):
    file = ContextFile.load(ContextFile.default_path(environ))
    for context in contexts:
        file = file.with_context(context, current=context.name == current)
    file.save()
    return file


LAB = Context("lab", endpoint="https://lab:443", token="s3cret", project="vision", domain="staging")


def test_defaults_when_nothing_is_set(place):
    environ, start = place
    settings = resolve({}, environ, start)
    assert (settings["project"], settings["domain"], settings["endpoint"]) == ("demo", "development", "")
    assert settings.origin("project") == "default"
    assert settings.bundle_max_bytes == 64 * 1024 * 1024


def test_each_layer_wins_over_the_next(place):
    environ, start = place
    save(environ, LAB, current="lab")
    assert resolve({}, environ, start).values["project"].value == "vision"
    assert resolve({}, environ, start).origin("project") == "context lab"
    toml = start.parent / "limosa.toml"
    toml.write_text('project = "from-file"\ninclude = ["conf/*.yaml"]\n')
    settings = resolve({}, environ, start)
    assert (settings["project"], settings.origin("project")) == ("from-file", str(toml))
    assert settings.include == ("conf/*.yaml",)
    environ["LIMOSA_PROJECT"] = "from-env"
    assert resolve({}, environ, start).origin("project") == "environment LIMOSA_PROJECT"
    settings = resolve({"project": "from-flag"}, environ, start)
    assert (settings["project"], settings.origin("project")) == ("from-flag", "flag --project")


def test_pyproject_counts_only_with_a_table_and_the_nearest_file_wins(place):
    environ, start = place
    (start.parent / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (start.parent.parent / "pyproject.toml").write_text('[tool.limosa]\ndomain = "staging"\n')
    assert resolve({}, environ, start)["domain"] == "staging"
    (start / "limosa.toml").write_text('domain = "production"\n')
    assert resolve({}, environ, start)["domain"] == "production"


def test_a_typo_in_the_project_file_is_named_with_the_nearest_setting(place):
    environ, start = place
    (start / "limosa.toml").write_text('projct = "x"\n')
    with pytest.raises(
        ConfigError, match=r"limosa\.toml: 'projct' is not a setting; did you mean 'project'\?"
    ):
        resolve({}, environ, start)


def test_a_token_in_the_project_file_is_refused(place):
    environ, start = place
    (start / "limosa.toml").write_text('token = "x"\n')
    with pytest.raises(ConfigError, match="tokens belong in a context or in LIMOSA_TOKEN"):
        resolve({}, environ, start)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("project = 3", "'project' must be a string, not 3"),
        ('include = "a"', "'include' must be a list of strings"),
        ('copy = "some"', "it must be one of imported, all"),
        ('bundle_max_size = "big"', "'bundle_max_size' is 'big'"),
        ("project = ", "it is not valid TOML"),
    ],
)
def test_bad_values_name_file_and_setting(place, text, message):
    environ, start = place
    (start / "limosa.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        resolve({}, environ, start)
    assert message in str(caught.value)
    assert "limosa.toml" in str(caught.value)


def test_a_contexts_token_is_not_sent_to_an_endpoint_a_project_names(place):
    environ, start = place
    save(environ, LAB, current="lab")
    assert resolve({}, environ, start)["token"] == "s3cret"
    (start / "limosa.toml").write_text('endpoint = "https://evil:443"\n')
    settings = resolve({}, environ, start)
    assert settings["token"] == ""
    assert "LIMOSA_TOKEN" in settings.origin("token")
    assert resolve({}, {**environ, "LIMOSA_TOKEN": "t"}, start)["token"] == "t"


def test_contexts_round_trip_privately(place):
    environ, start = place
    odd = Context('a "b".c', endpoint="http://x:1", token='q"\\é')
    file = save(environ, LAB, odd, current="lab")
    assert file.path.stat().st_mode & 0o777 == 0o600
    again = ContextFile.load(file.path)
    assert dict(again.contexts) == {"lab": LAB, 'a "b".c': odd}
    assert again.current == "lab"
    again.using('a "b".c').save()
    assert resolve({}, environ, start)["endpoint"] == "http://x:1"
    removed = ContextFile.load(file.path).without('a "b".c')
    assert (removed.current, list(removed.contexts)) == ("", ["lab"])


def test_the_repr_of_a_context_hides_its_token():
    assert "s3cret" not in repr(LAB)


def test_an_unknown_context_lists_those_there_are(place):
    environ, start = place
    save(environ, LAB)
    with pytest.raises(ConfigError, match="there is no context 'prod'; there are: lab"):
        resolve({"context": "prod"}, environ, start)


def test_a_damaged_context_file_says_where(place):
    environ, start = place
    path = ContextFile.default_path(environ)
    path.parent.mkdir(parents=True)
    path.write_text('[contexts.lab]\nendpiont = "x"\n')
    with pytest.raises(ConfigError, match="context 'lab' has the unknown key 'endpiont'"):
        resolve({}, environ, start)
