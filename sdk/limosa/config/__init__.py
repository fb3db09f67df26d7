"""Configuration of a person's client: what is in force, and where each value came from.

A value is taken from the first of: flag, environment, the nearest limosa.toml or [tool.limosa], the context of
~/.config/limosa/config.toml, default. What belongs here: reading and writing those places. What does not: the
settings of servers and pods (they have their own, made in their `main`), and connecting to anything.
"""

from limosa.config.contexts import Context, ContextFile
from limosa.config.errors import ConfigError
from limosa.config.project_file import ProjectFile, find_project_file
from limosa.config.settings import SETTINGS, Setting, Settings, Value, checked_project_file, resolve

__all__ = [
    "SETTINGS",
    "ConfigError",
    "Context",
    "ContextFile",
    "ProjectFile",
    "Setting",
    "Settings",
    "Value",
    "checked_project_file",
    "find_project_file",
    "resolve",
]
