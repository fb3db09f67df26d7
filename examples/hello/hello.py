"""The smallest workflow: one task, one pod."""

from limosa import task, workflow


@task
def greet(name: str) -> str:
    """Says hello from a pod."""
    print(f"greeting {name}")
    return f"Hello, {name}!"


@workflow
def hello(name: str = "world") -> str:
    """Greets someone."""
    return greet(name=name)
