"""Refusals for browsers and for programs."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from limosa_admin.web import return_path
from limosa_admin.web.html import Child, document, el


def render(request: Request, status: int, message: str) -> Response:
    """A page where the request asks for one, else JSON {"error": …}."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": message}, status, headers)
    title = {401: "Not logged in", 403: "Not allowed", 404: "Not found"}.get(status, "That did not work")
    # Whoever logs in comes back to the page they asked for.
    wanted = return_path.asked_for(request) if status == 401 else ""
    below: Child = el("a", "All runs", href="/")
    if status == 401:
        below = ["After that you come back to ", el("code", wanted), "."] if wanted else None
    body = el(
        "main",
        el("a", "Limosa", href="/", class_="brand"),
        el("h1", title),
        el("p", _with_commands(message), class_="message"),
        el("p", below),
        class_="notice",
    )
    response = HTMLResponse(document(f"{title} · Limosa", body), status, headers)
    if wanted:
        return_path.keep(wanted, response)
    return response


def _with_commands(message: str) -> list[Child]:
    """A message whose `commands` are set as code."""
    return [el("code", part) if place % 2 else part for place, part in enumerate(message.split("`"))]
