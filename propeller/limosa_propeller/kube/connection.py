"""The one HTTP session to the API server, shared with kopf."""

import time

import aiohttp

from limosa_propeller.kube.credentials import Credentials, load_credentials

TOKEN_SECONDS = 60.0
"""A projected token is read again this often; the kubelet replaces it long before it ends."""


class Connection:
    """Holds the session; makes a new one, with credentials read again, when kopf has closed the old one."""

    def __init__(self, kubeconfig: str, traced: aiohttp.TraceConfig | None = None) -> None:
        """Reads the credentials; `traced` hears of every request, whoever sends it."""
        self._kubeconfig, self._traced = kubeconfig, traced
        self._session: aiohttp.ClientSession | None = None
        self._token_read = 0.0
        self.credentials: Credentials = load_credentials(kubeconfig)

    @property
    def server(self) -> str:
        """URL of the API server, without a trailing slash."""
        return self.credentials.server

    def session(self) -> aiohttp.ClientSession:
        """The session to use for the next request. Call it on the event loop, each time."""
        if self._session is None or self._session.closed:
            self.credentials = load_credentials(self._kubeconfig)
            self._session = self._open()
            self._authorize()
        elif self.credentials.token_file is not None and time.monotonic() - self._token_read > TOKEN_SECONDS:
            self._authorize()
        return self._session

    async def close(self) -> None:
        """Ends the session; requests under way fail."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        context = self.credentials.ssl_context
        # Watches hold a connection each for ever, so the pool has no limit of its own; writes are limited above it.
        connector = aiohttp.TCPConnector(
            limit=0, ssl=context if context is not None else False, keepalive_timeout=60
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "limosa-propeller"},
            trace_configs=[] if self._traced is None else [self._traced],
        )

    def _authorize(self) -> None:
        self._token_read = time.monotonic()
        token = self.credentials.current_token()
        if token and self._session is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"
