"""Code bundles: choosing an author's files, packing them, unpacking them in a pod.

A bundle is a canonical tar, addressed by the sha256 of its uncompressed bytes and gzipped on the wire.
What belongs here: selection, packing and safe extraction, with the standard library only (pods import this
before user code). What does not: transfer to and from the store, and what a workflow is.
"""

from limosa.bundle.archive import DEFAULT_MAX_BYTES, Bundle, pack
from limosa.bundle.errors import BundleError
from limosa.bundle.extraction import unpack
from limosa.bundle.selection import all_files, imported_files, included_files

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
