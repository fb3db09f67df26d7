"""What a file defines."""

from limosa.cli.console import write_result
from limosa.cli.exit_codes import ExitCode
from limosa.compiler import LoadedModule
from limosa.docstring import summary
from limosa.workflows import Workflow


def is_ambiguous(loaded: LoadedModule) -> bool:
    """Whether a file has several things that could be meant when none is named."""
    workflows = [entity for entity in loaded.entities.values() if isinstance(entity, Workflow)]
    return len(workflows or loaded.entities) > 1


def write_entities(loaded: LoadedModule, source: str) -> int:
    """Lists the tasks, workflows and launch plans of a file, and how to see the inputs of each."""
    width = max(len(name) for name in loaded.entities)
    lines = [f"{source} defines:", ""]
    for name, entity in loaded.entities.items():
        kind = type(entity).__name__.lower().replace("launchplan", "launch plan")
        lines.append(
            f"  {name:<{width}}  {kind:<11}  {summary(getattr(entity, '__doc__', None) or '')}".rstrip()
        )
    lines += ["", f"Inputs of one: limosa run {source} NAME --help", ""]
    write_result("\n".join(lines))
    return ExitCode.OK
