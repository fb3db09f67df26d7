"""What every page has around its content."""

from collections.abc import Sequence

from limosa_admin.identity import Identity
from limosa_admin.web.html import Child, Markup, document, el


def page(title: str, trail: Sequence[tuple[str, str]], identity: Identity, body: Child) -> Markup:
    """A page.

    Args:
        title: Of the page; the browser shows it.
        trail: (text, address) of what it lies below, outermost first.
        identity: Who looks.
        body: Its main element.
    """
    crumbs = [[el("span", "/", class_="quiet"), el("a", text, href=address)] for text, address in trail]
    header = el(
        "header",
        el(
            "a",
            el("img", src="/static/limosa.svg", alt="", width=22, height=22),
            "Limosa",
            href="/",
            class_="brand",
        ),
        el("nav", crumbs, aria_label="Place"),
        el("span", el("span", id="live"), identity.subject, el("a", "Log out", href="/logout"), class_="who"),
    )
    return document(f"{title} · Limosa", [header, body], scripts=["limosa.js"])
