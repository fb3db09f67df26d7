"""A failure as the command line shows it: type, message, the source lines with the failing one marked."""

from limosa_admin.web.html import Markup, el
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER, Failure, Frame
from limosa_model.failures import telling_frame


def render(failure: Failure, more: str = "") -> Markup:
    """A panel, with a sentence on what the failure of an item meant for its map."""
    exception = failure.exception
    origin = failure.origin
    place = origin.node_path + (f"[{origin.index}]" if origin.HasField("index") else "")
    whose = "in the workflow's code or data" if failure.kind == FAILURE_KIND_USER else "in the platform"
    where = " · ".join(
        part for part in (failure.code, origin.task, f"node {place}" if place else "", whose) if part
    )
    parts = [el("p", where, class_="quiet")]
    if failure.HasField("exception"):
        parts.append(el("h3", exception.type))
        parts.append(el("p", exception.message, class_="message"))
        if exception.frames:
            parts.append(_source(telling_frame(exception.frames)))
        if exception.traceback:
            traceback = el("pre", exception.traceback)
            parts.append(el("details", el("summary", "Traceback"), traceback))
    else:
        parts.append(el("p", failure.message, class_="message"))
    if failure.remedy:
        parts.append(el("p", f"→ {failure.remedy}", class_="message"))
    if more:
        parts.append(el("p", more, class_="message"))
    return el("div", parts, class_="failure")


def _source(frame: Frame) -> Markup:
    place = el("figcaption", f"{frame.file}:{frame.line} in {frame.function}")
    lines = []
    for offset, line in enumerate(frame.source):
        number = frame.source_start + offset
        failing = number == frame.line
        mark = "❯" if failing else " "
        lines.append(el("span", f"{mark} {number:>5} │ {line}", class_="failing" if failing else None))
    return el("figure", place, el("pre", lines) if lines else None)
