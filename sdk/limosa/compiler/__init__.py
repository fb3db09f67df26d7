"""From Python objects to specs: loading an author's module, compiling what is in it.

Belongs here: finding entities, putting a workflow and everything it names into one
closure, the bytes that are registered. Does not belong here: tracing (the entities
do it), packing code (`limosa.bundle`), sending anything (`limosa.remote`).
"""

from limosa.compiler.closure import (
    Compiled,
    CompileSettings,
    compile_call,
    compile_entity,
    compile_generated,
    packages_declared,
    with_launched,
)
from limosa.compiler.loading import LoadedModule, load_module

__all__ = [
    "CompileSettings",
    "Compiled",
    "LoadedModule",
    "compile_call",
    "compile_entity",
    "compile_generated",
    "load_module",
    "packages_declared",
    "with_launched",
]
