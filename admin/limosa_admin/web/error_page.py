"""Refusals for browsers and for programs."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from limosa_admin.web.html import document, el


def render(request: Request, status: int, message: str) -> Response:
    """A page where the request asks for one, else JSON {"error": …}."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": message}, status, headers)
    title = {401: "Not logged in", 403: "Not allowed", 404: "Not found"}.get(status, "That did not work")
    body = el(
        "main",
        el("a", "Limosa", href="/", class_="brand"),
        el("h1", title),
        el("p", message, class_="message"),
        el("p", el("a", "All runs", href="/")),
        class_="notice",
    )
    return HTMLResponse(document(f"{title} · Limosa", body), status, headers)
