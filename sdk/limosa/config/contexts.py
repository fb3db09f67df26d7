"""Contexts: named servers with credentials, as in kubectl."""

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from limosa.config.errors import ConfigError
from limosa.config.toml import quote, read_toml, write_table


@dataclasses.dataclass(frozen=True)
class Context:
    """One server and what to use there. Empty strings are not set."""

    name: str
    endpoint: str = ""
    """"https://host:port", "http://host:port" or "host:port"."""
    token: str = dataclasses.field(default="", repr=False)
    ca_certificate: str = ""
    """Path of a PEM file to trust for the endpoint."""
    project: str = ""
    domain: str = ""
    kube_context: str = ""
    """Context of the kubeconfig with which this person reaches the cluster itself; only secrets need it."""


_FIELDS = tuple(field.name for field in dataclasses.fields(Context) if field.name != "name")


@dataclasses.dataclass(frozen=True)
class ContextFile:
    """All contexts, and which is current ("" for none)."""

    path: Path
    current: str = ""
    contexts: Mapping[str, Context] = dataclasses.field(default_factory=dict)

    @classmethod
    def default_path(cls, environ: Mapping[str, str]) -> Path:
        """LIMOSA_CONFIG, else limosa/config.toml below the user's configuration directory."""
        if environ.get("LIMOSA_CONFIG"):
            return Path(environ["LIMOSA_CONFIG"]).expanduser()
        base = environ.get("XDG_CONFIG_HOME")
        return (Path(base) if base else Path("~/.config").expanduser()) / "limosa" / "config.toml"

    @classmethod
    def load(cls, path: Path) -> "ContextFile":
        """Reads the file; an absent one has no contexts.

        Raises:
            ConfigError: It cannot be read or has something unknown in it.
        """
        if not path.exists():
            return cls(path)
        data = read_toml(path)
        tables = data.get("contexts", {})
        current = data.get("current", "")
        if not isinstance(tables, dict) or not isinstance(current, str):
            raise _malformed(path, "'current' must be a string and 'contexts' a table of tables")
        contexts = {}
        for name, table in tables.items():
            if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
                raise _malformed(path, f"context '{name}' must be a table of strings")
            unknown = sorted(set(table) - set(_FIELDS))
            if unknown:
                raise _malformed(
                    path, f"context '{name}' has the unknown key '{unknown[0]}'; known: {', '.join(_FIELDS)}"
                )
            contexts[name] = Context(name=name, **table)
        return cls(path, current, contexts)

    def find(self, name: str) -> Context:
        """The context of a name.

        Raises:
            ConfigError: There is none.
        """
        if name in self.contexts:
            return self.contexts[name]
        known = ", ".join(sorted(self.contexts))
        raise ConfigError(
            code=ConfigError.NO_CONTEXT,
            message=f"there is no context '{name}'" + (f"; there are: {known}" if known else ""),
            place=str(self.path),
            remedy="add it with `limosa config add NAME --endpoint …`, or start a platform with `limosa demo start`",
        )

    def with_context(self, context: Context, *, current: bool) -> "ContextFile":
        """With a context added or replaced, and made current if asked."""
        contexts = {**self.contexts, context.name: context}
        return ContextFile(self.path, context.name if current else self.current, contexts)

    def without(self, name: str) -> "ContextFile":
        """With a context removed."""
        contexts = {key: value for key, value in self.contexts.items() if key != name}
        return ContextFile(self.path, "" if self.current == name else self.current, contexts)

    def using(self, name: str) -> "ContextFile":
        """With another current context.

        Raises:
            ConfigError: There is no such context.
        """
        return ContextFile(self.path, self.find(name).name, self.contexts)

    def save(self) -> None:
        """Writes the file at once, readable by its owner only, because it holds tokens.

        Raises:
            ConfigError: It cannot be written.
        """
        parts = [write_table("", {"current": self.current})] if self.current else []
        for name, context in sorted(self.contexts.items()):
            values = {field: getattr(context, field) for field in _FIELDS}
            parts.append(write_table(f"contexts.{quote(name)}", values))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".config-")  # 0600
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write("\n".join(parts))
            os.replace(temporary, self.path)
        except OSError as error:
            message = f"cannot write it: {error.strerror or error}"
            raise ConfigError(code=ConfigError.UNREADABLE, message=message, place=str(self.path)) from error


def _malformed(path: Path, message: str) -> ConfigError:
    return ConfigError(
        code=ConfigError.UNKNOWN_KEY, message=message, place=str(path), remedy="correct the file"
    )
