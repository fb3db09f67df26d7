"""The WorkflowRun definition, as it is applied to a cluster."""

from importlib import resources
from typing import Any

import yaml


def load_definition() -> dict[str, Any]:
    """The CustomResourceDefinition as a dictionary."""
    document: dict[str, Any] = yaml.safe_load(definition_text())
    return document


def definition_text() -> str:
    """The same as YAML, for `kubectl apply -f -`."""
    return resources.files(__name__).joinpath("workflowrun.yaml").read_text(encoding="utf-8")
