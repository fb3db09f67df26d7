"""Docstrings: the texts that describe inputs to people."""

import re

_SECTION = re.compile(r"^\s*(Args|Arguments|Parameters):\s*$")
_ENTRY = re.compile(r"^(?P<name>\w+)\s*(?:\([^)]*\))?:\s*(?P<text>.*)$")


def summary(documentation: str) -> str:
    """The first paragraph, on one line."""
    first = documentation.strip().split("\n\n", 1)[0]
    return " ".join(first.split())


def argument_texts(documentation: str) -> dict[str, str]:
    """Descriptions of arguments out of a Google-style "Args:" section."""
    lines = iter(documentation.expandtabs().splitlines())
    for line in lines:
        if _SECTION.match(line):
            return _entries(list(lines), len(line) - len(line.lstrip()))
    return {}


def _entries(lines: list[str], section_indent: int) -> dict[str, str]:
    texts: dict[str, str] = {}
    entry_indent: int | None = None
    name = ""
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            continue
        if indent <= section_indent:
            break
        entry_indent = indent if entry_indent is None else entry_indent
        match = _ENTRY.match(line.strip()) if indent == entry_indent else None
        if match:
            name = match["name"]
            texts[name] = match["text"]
        elif name:
            texts[name] = f"{texts[name]} {line.strip()}".strip()
    return texts
