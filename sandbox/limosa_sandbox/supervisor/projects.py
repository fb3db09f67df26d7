"""Which namespaces the sandbox makes: one for each domain of its project."""

from limosa_model.names import DOMAINS, namespace_of


def default_projects(project: str) -> dict[str, tuple[str, str]]:
    """Returns the namespaces of a project: their project and domain by namespace."""
    return {namespace_of(project, domain): (project, domain) for domain in DOMAINS}
