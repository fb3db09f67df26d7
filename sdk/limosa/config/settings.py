"""The settings there are, and which value of each is in force."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from limosa.config.contexts import Context, ContextFile
from limosa.config.errors import ConfigError
from limosa.config.project_file import ProjectFile, find_project_file

DEFAULT_BUNDLE_MAX_SIZE = "64Mi"


@dataclasses.dataclass(frozen=True)
class Setting:
    """One thing that can be set. An empty place name: it cannot be set there."""

    name: str
    meaning: str
    default: str = ""
    flag: str = ""
    variable: str = ""
    in_project: bool = True
    in_context: bool = False
    secret: bool = False
    is_list: bool = False


SETTINGS = (
    Setting("context", "context in use", flag="--context", variable="LIMOSA_CONTEXT"),
    Setting("endpoint", "address of admin", flag="--endpoint", variable="LIMOSA_ENDPOINT", in_context=True),
    Setting("token", "credential", variable="LIMOSA_TOKEN", in_project=False, in_context=True, secret=True),
    Setting("ca_certificate", "PEM file to trust", variable="LIMOSA_CA_CERTIFICATE", in_context=True),
    Setting(
        "kube_context",
        "kubeconfig context of the cluster, for secrets",
        variable="LIMOSA_KUBE_CONTEXT",
        in_context=True,
    ),
    Setting("project", "project", "demo", "--project", "LIMOSA_PROJECT", in_context=True),
    Setting("domain", "domain", "development", "--domain", "LIMOSA_DOMAIN", in_context=True),
    Setting(
        "container_image", "image of tasks that name none", flag="--image", variable="LIMOSA_CONTAINER_IMAGE"
    ),
    Setting("copy", "which files travel: imported or all", "imported", "--copy", "LIMOSA_COPY"),
    Setting("include", "globs of further files that travel", flag="--include", is_list=True),
    Setting(
        "bundle_max_size",
        "largest code bundle",
        DEFAULT_BUNDLE_MAX_SIZE,
        variable="LIMOSA_BUNDLE_MAX_SIZE",
    ),
    Setting("home", "directory of the demo platform", "~/.limosa", "--home", "LIMOSA_HOME", in_project=False),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclasses.dataclass(frozen=True)
class Value:
    """A setting's value (text, or a tuple of texts) and where it came from ("flag --project", "default", …)."""

    value: Any
    origin: str


@dataclasses.dataclass(frozen=True)
class Settings:
    """Every setting with its origin, and what it was read from."""

    values: Mapping[str, Value]
    contexts: ContextFile
    project_file: ProjectFile | None = None

    def __getitem__(self, name: str) -> str:
        return str(self.values[name].value)

    def origin(self, name: str) -> str:
        """Where a setting's value came from."""
        return self.values[name].origin

    @property
    def include(self) -> tuple[str, ...]:
        """Globs of further files that travel in the code bundle."""
        value: tuple[str, ...] = self.values["include"].value
        return value

    @property
    def bundle_max_bytes(self) -> int:
        """Largest code bundle, in bytes."""
        return _bytes(self.values["bundle_max_size"])

    @property
    def home(self) -> Path:
        """Directory of the demo platform."""
        return Path(self["home"]).expanduser().absolute()


def resolve(flags: Mapping[str, Any], environ: Mapping[str, str], start: Path) -> Settings:
    """Finds every setting's value.

    Args:
        flags: By setting name; None or an empty list means not given.
        environ: The process's environment.
        start: Directory from which the project file is looked for.

    Raises:
        ConfigError: A file or a value is wrong, or the context named does not exist.
    """
    contexts = ContextFile.load(ContextFile.default_path(environ))
    project = checked_project_file(start)
    chosen = _layers(_BY_NAME["context"], flags, environ, project)
    if chosen is None and contexts.current:
        chosen = Value(contexts.current, f"current in {contexts.path}")
    context = contexts.find(chosen.value) if chosen is not None and chosen.value else None
    values = {"context": chosen or Value("", "default")}
    for setting in SETTINGS[1:]:
        found = _layers(setting, flags, environ, project) or _from_context(setting, context)
        values[setting.name] = found or Value(() if setting.is_list else setting.default, "default")
    _withhold_token(values, context)
    _check_choice(values["copy"], "copy", ("imported", "all"))
    _bytes(values["bundle_max_size"])
    return Settings(values, contexts, project)


def checked_project_file(start: Path) -> ProjectFile | None:
    """The nearest project file, all of whose settings exist and have the right type.

    Raises:
        ConfigError: It cannot be read, or a setting in it is wrong.
    """
    project = find_project_file(start)
    if project is not None:
        _check_project(project)
    return project


def _layers(
    setting: Setting, flags: Mapping[str, Any], environ: Mapping[str, str], project: ProjectFile | None
) -> Value | None:
    flag = flags.get(setting.name)
    if flag is not None and flag != ():
        return Value(flag, f"flag {setting.flag}")
    if setting.variable and environ.get(setting.variable):
        return Value(environ[setting.variable], f"environment {setting.variable}")
    if project is not None and setting.in_project and setting.name in project.values:
        value = project.values[setting.name]
        return Value(tuple(value) if setting.is_list else value, str(project.path))
    return None


def _from_context(setting: Setting, context: Context | None) -> Value | None:
    if context is None or not setting.in_context:
        return None
    value = getattr(context, setting.name)
    return Value(value, f"context {context.name}") if value else None


def _withhold_token(values: dict[str, Value], context: Context | None) -> None:
    """Keeps a context's token from an endpoint that is not the context's: a cloned project may name any."""
    if context is None or values["token"].origin != f"context {context.name}":
        return
    if values["endpoint"].value != context.endpoint:
        reason = f"not sent: the endpoint is not that of context {context.name}; set LIMOSA_TOKEN"
        values["token"] = Value("", reason)


def _check_project(project: ProjectFile) -> None:
    known = [setting.name for setting in SETTINGS if setting.in_project]
    for name, value in project.values.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                code=ConfigError.UNKNOWN_KEY,
                message=f"'{name}' is not a setting" + (f"; did you mean '{close[0]}'?" if close else ""),
                place=str(project.path),
                remedy="tokens belong in a context or in LIMOSA_TOKEN"
                if name == "token"
                else f"settings are: {', '.join(known)}",
            )
        if not _well_typed(_BY_NAME[name], value):
            kind = "a list of strings" if _BY_NAME[name].is_list else "a string"
            raise ConfigError(
                code=ConfigError.BAD_VALUE,
                message=f"'{name}' must be {kind}, not {value!r}",
                place=str(project.path),
                remedy="correct the file",
            )


def _well_typed(setting: Setting, value: Any) -> bool:
    if setting.is_list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def _check_choice(value: Value, name: str, choices: Sequence[str]) -> None:
    if value.value not in choices:
        raise ConfigError(
            code=ConfigError.BAD_VALUE,
            message=f"'{name}' is {value.value!r}; it must be one of {', '.join(choices)}",
            place=value.origin,
            remedy="correct it",
        )


def _bytes(value: Value) -> int:
    from limosa_model.quantity import QuantityError, parse_quantity

    try:
        return int(parse_quantity(value.value))
    except QuantityError as error:
        raise ConfigError(
            code=ConfigError.BAD_VALUE,
            message=f"'bundle_max_size' is {value.value!r}: {error}",
            place=value.origin,
            remedy="write a quantity such as '128Mi'",
        ) from error
