"""Code bundles: choosing an author's files, packing them, unpacking them in a pod.

A bundle is a canonical tar, addressed by the sha256 of its uncompressed bytes and gzipped on the wire.
What belongs here: selection, packing and safe extraction, with the standard library only (pods import this
before user code). What does not: transfer to and from the store, and what a workflow is.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limosa.bundle.archive import DEFAULT_MAX_BYTES, Bundle, pack
    from limosa.bundle.errors import BundleError
    from limosa.bundle.extraction import unpack
    from limosa.bundle.selection import all_files, imported_files, included_files

_WHERE = {
    "DEFAULT_MAX_BYTES": "archive",
    "Bundle": "archive",
    "BundleError": "errors",
    "all_files": "selection",
    "imported_files": "selection",
    "included_files": "selection",
    "pack": "archive",
    "unpack": "extraction",
}

__all__ = [
    "DEFAULT_MAX_BYTES",
    "Bundle",
    "BundleError",
    "all_files",
    "imported_files",
    "included_files",
    "pack",
    "unpack",
]


def __getattr__(name: str) -> object:
    # Pods unpack and nothing else: they do not load what packing and selection need.
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module 'limosa.bundle' has no attribute '{name}'")
    from importlib import import_module

    found: object = getattr(import_module(f"limosa.bundle.{where}"), name)
    globals()[name] = found
    return found
