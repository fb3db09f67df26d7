"""Where a browser goes on after its login: a path of this site, kept in a cookie of the "Not logged in" page."""

from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from limosa_admin.store.tokens import LINK_LIFE

COOKIE = "limosa_return"
_MOST_CHARS = 2000


def asked_for(request: Request) -> str:
    """The page to come back to; "" for an address of logins and one too long for a cookie."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    none = request.method != "GET" or request.url.path in ("/login", "/logout") or len(path) > _MOST_CHARS
    return "" if none else path


def keep(path: str, response: Response) -> None:
    """Remembers a page."""
    # "lax": the login link may be opened from another site, a chat for instance.
    response.set_cookie(
        COOKIE,
        quote(path, safe="/"),
        max_age=int(LINK_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
    )


def take(request: Request, named: str | None) -> str:
    """The path to go on with: what the address says, else what was kept, else the list of runs."""
    return local(unquote(request.cookies.get(COOKIE, "/")) if named is None else named)


def forget(response: Response) -> None:
    """Drops what was kept."""
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")


def local(path: str) -> str:
    """A path of this site, "/" for anything that could lead elsewhere."""
    parts = urlsplit(path)
    inside = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if inside and not parts.scheme and not parts.netloc and path.isprintable() else "/"
