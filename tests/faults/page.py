"""The table of faults as a page: `python tests/faults/page.py > docs/faults.md`."""

from fault_table import Fault, load

_HEAD = """# Faults

What can happen to a run from outside, what the platform makes of it, and what its user reads. Drawn from
`tests/faults/table.yaml` by `python tests/faults/page.py`; a test keeps both the same, and each row names the tests
that inject its fault.

`SYSTEM` failures are retried by the platform on its own budget; `USER` failures on the task's `retries`. Whatever
happened: the commit of a node item is asked for before any failure is recorded, and counts.

| # | stimulus | what happens | whose fault | who retries |
|---|---|---|---|---|
"""


def render() -> str:
    """The whole page, in Markdown."""
    rows = load()
    table = "\n".join(
        f"| [{row.number}](#{row.number}) | {_cell(row.stimulus)} | {_cell(row.outcome)} | {row.blame} | {row.retried_by} |"
        for row in rows
    )
    return "\n".join([_HEAD + table, "", *(_section(row) for row in rows)])


def _section(row: Fault) -> str:
    lines = [f'## <a id="{row.number}"></a>{row.number}. {row.title}', ""]
    lines += [row.stimulus, "", f"**What happens:** {row.outcome}", ""]
    if row.codes:
        lines += ["**Code:** " + ", ".join(f"`{code}`" for code in row.codes), ""]
    if row.reads:
        lines += ["**The user reads:**", "", *(f"> {_quoted(text)}" for text in row.reads), ""]
    lines += [f"**Where:** {row.shown}", ""]
    if row.on_a_cluster:
        lines += [f"**On a real cluster:** seen with `deploy/lab/{row.on_a_cluster}`.", ""]
    tested = [f"story `{name}`" for name in row.stories] + [f"`{name}`" for name in row.tests]
    lines += [
        "<details><summary>Tests</summary>",
        "",
        *(f"- {name}" for name in tested),
        "",
        "</details>",
        "",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace("<", "&lt;")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(render(), end="")
