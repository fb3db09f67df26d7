"""Inputs and outputs as tables."""

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from limosa_admin.web import phases
from limosa_admin.web.html import Child, Markup, el
from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse
from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_model import values
from limosa_model.types import describe

MOST_CHARS = 4000
_SHORT = 60


def render(data: GetRunDataResponse, note: str = "", over: str = "") -> Markup:
    """Both tables, and why one of them is not complete.

    Args:
        data: What is known; its own note is not read.
        note: To stand below the tables; "" for none.
        over: Why nothing more will be known ("the run failed"); "" while more may come.
    """
    inputs = _table("Inputs", data.interface.inputs, data.inputs.literals, data.HasField("inputs"), over)
    outputs = _table("Outputs", data.interface.outputs, data.outputs.literals, data.HasField("outputs"), over)
    below = el("p", note, class_="quiet") if note else None
    return el("div", el("div", inputs, outputs, class_="values"), below)


def _table(
    title: str, variables: Sequence[Variable], literals: Mapping[str, Literal], known: bool, over: str
) -> Markup:
    rows = [_row(variable, literals, known) for variable in variables]
    if not rows:
        rows = [el("tr", el("td", "none", class_="quiet"))]
    elif over and not known:
        rows = [el("tr", el("td", f"no {title.lower()}: {over}", class_="quiet"))]
    return el("section", el("h3", title), el("table", el("tbody", rows)))


def _row(variable: Variable, literals: Mapping[str, Literal], known: bool) -> Markup:
    name = el("th", variable.name, scope="row", title=variable.description or None)
    kind = el("td", describe(variable.type), class_="type")
    return el("tr", name, kind, el("td", _value(variable, literals, known)))


def _value(variable: Variable, literals: Mapping[str, Literal], known: bool) -> Child:
    if variable.name not in literals:
        return el("span", "absent" if known else "…", class_="quiet")
    if variable.sensitive:
        return el("span", "hidden: marked as sensitive", class_="quiet")
    return _literal(literals[variable.name])


def _literal(literal: Literal) -> Child:
    kind = literal.WhichOneof("value")
    if kind == "union_value":
        return _literal(literal.union_value.value)
    if kind == "blob":
        blob = literal.blob
        name = blob.name or blob.uri.rsplit("/", 1)[-1]
        return _reference(blob.uri, f"{name}/" if blob.multipart else name, blob.size, not blob.multipart)
    if kind == "structured_dataset":
        dataset = literal.structured_dataset
        shape = f"{dataset.rows} rows × {len(dataset.columns)} columns"
        return [_reference(dataset.uri, shape, dataset.size, True)]
    if kind == "offloaded":
        return _reference(literal.offloaded.uri, "large value", literal.offloaded.size, False)
    plain = values.to_plain(literal)
    text = plain if isinstance(plain, str) else _json(plain)
    if len(text) > MOST_CHARS:
        text = f"{text[:MOST_CHARS]}\n… {len(text) - MOST_CHARS} more characters"
    return el("pre", text) if "\n" in text or len(text) > _SHORT else el("code", text)


def _json(plain: object) -> str:
    text = json.dumps(plain, ensure_ascii=False, default=str)
    return text if len(text) <= _SHORT else json.dumps(plain, ensure_ascii=False, indent=2, default=str)


def _reference(uri: str, name: str, size: int, downloads: bool) -> Child:
    shown: Child = el("a", name, href=f"/download?uri={quote(uri, safe='')}") if downloads else name
    return [
        shown,
        " ",
        el("span", phases.size(size) if size else "", class_="quiet"),
        el("code", uri, class_="uri"),
    ]
