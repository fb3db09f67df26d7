"""Elements as text, escaped by construction."""

import html
from collections.abc import Iterable

VOID = frozenset({"meta", "link", "input", "br", "img", "hr"})


class Markup(str):
    """Text that is HTML already; only this module makes it."""

    __slots__ = ()


Child = str | Markup | int | None | Iterable["Child"]
"""What an element may hold. A `str` is escaped, None leaves nothing, an iterable is flattened."""


def el(tag: str, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """An element.

    Args:
        tag: Its name, a constant of the program.
        *children: Its content.
        **attributes: A trailing "_" is dropped and other "_" become "-"; True writes the bare name, None and False
            leave it out.
    """
    parts = [f"<{tag}"]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        key = name.rstrip("_").replace("_", "-")
        parts.append(f" {key}" if value is True else f' {key}="{html.escape(str(value))}"')
    parts.append(">")
    if tag not in VOID:
        parts.append(text(children))
        parts.append(f"</{tag}>")
    return Markup("".join(parts))


def text(child: Child) -> Markup:
    """Children as HTML."""
    if child is None:
        return Markup("")
    if isinstance(child, Markup):
        return child
    if isinstance(child, (str, int)):
        return Markup(html.escape(str(child)))
    return Markup("".join(text(part) for part in child))


def document(title: str, body: Child, scripts: Iterable[str] = ()) -> Markup:
    """A whole page."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("link", rel="icon", href="/static/limosa.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="/static/limosa.css"),
        [el("script", src=f"/static/{script}", defer=True) for script in scripts],
    )
    return Markup("<!doctype html>" + el("html", head, el("body", body), lang="en"))
