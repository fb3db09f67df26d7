"""What Kubernetes takes for labels, annotations, variables and images, so that a pod is not the first to find out."""

import re
from collections.abc import Iterator, Mapping

OWN_DOMAIN = "limosa.dev/"
"""Labels and annotations that begin so are the platform's."""
OWN_VARIABLES = "LIMOSA_POD_"
"""Variables that begin so are the platform's."""
_MOST_ANNOTATIONS = 256 * 1024
"""Bytes of all annotations of one object."""

_NAME = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_VARIABLE = re.compile(r"[ -<>-~]+")
"""Printable ASCII but for '=', as Kubernetes takes since 1.34."""
_IMAGE = re.compile(
    r"(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9+.-]*:[0-9a-fA-F]+)?",
    re.ASCII,
)
_KEY_RULE = (
    "write a name of at most 63 letters, digits, '-', '_' and '.', after a domain and '/' where it has one"
)
_VALUE_RULE = "write at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends"
_VARIABLE_RULE = "use letters, digits and '_', a letter first"


def wrong_labels(labels: Mapping[str, str], *, own: bool = False) -> Iterator[tuple[str, str]]:
    """What is wrong with labels, each with a remedy. `own`: those of the platform's domain may be among them."""
    for key, value in labels.items():
        yield from _wrong_key("label", key, key, own=own)
        if not _VALUE.fullmatch(value):
            yield f"{_shown(value)}, the value of label {_shown(key)}, is no label value", _VALUE_RULE


def wrong_annotations(annotations: Mapping[str, str], *, own: bool = False) -> Iterator[tuple[str, str]]:
    """What is wrong with annotations, each with a remedy. `own`: those of the platform's domain may be among them."""
    for key, value in annotations.items():
        # Kubernetes reads keys of annotations, not those of labels, without regard to case.
        yield from _wrong_key("annotation", key, key.lower(), own=own)
        if "\0" in value:
            yield f"the value of annotation {_shown(key)} has a NUL", "remove it"
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > _MOST_ANNOTATIONS:
        yield (
            f"the annotations have {size} bytes; at most {_MOST_ANNOTATIONS} are taken",
            "pass large texts as inputs",
        )


def wrong_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with variables, each with a remedy."""
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            yield f"{_shown(name)} is no name of a variable", _VARIABLE_RULE
        elif name.startswith(OWN_VARIABLES):
            yield f"variable '{name}' is the platform's: names with {OWN_VARIABLES} are reserved", "rename it"
        if "\0" in value:
            yield f"the value of variable {_shown(name)} has a NUL", "remove it"


def wrong_image(image: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the name of an image, with a remedy."""
    if not _IMAGE.fullmatch(image):
        remedy = "write registry/name:tag, such as ghcr.io/team/image:1.0, the name in small letters"
        yield f"{_shown(image)} is no name of an image", remedy


def _wrong_key(what: str, key: str, read: str, *, own: bool) -> Iterator[tuple[str, str]]:
    if read.startswith(OWN_DOMAIN) and not own:
        yield (
            f"{what} '{key}' is the platform's: names below {OWN_DOMAIN} are reserved",
            "use a domain of your own",
        )
        return
    prefix, slash, name = read.rpartition("/")
    good_prefix = len(prefix) <= 253 and _PREFIX.fullmatch(prefix) if slash else True
    if not good_prefix or not _NAME.fullmatch(name):
        yield f"{_shown(key)} is no {what} key", _KEY_RULE


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:79]}…")
