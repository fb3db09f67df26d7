"""The way to the API server: a session for streams, shared with kopf, and a client for short requests."""

import time

import aiohttp

from limosa_propeller.kube.answers import NOBODY, Hearer, told_to
from limosa_propeller.kube.credentials import Credentials, load_credentials
from limosa_propeller.kube.http_client import HttpClient

TOKEN_SECONDS = 60.0
"""A projected token is read again this often; the kubelet replaces it long before it ends."""


class Connection:
    """Holds both; makes new ones, with credentials read again, when kopf has closed the session."""

    def __init__(self, kubeconfig: str, hearer: Hearer = NOBODY) -> None:
        """Reads the credentials; `hearer` hears of every answer, whoever asked."""
        self._kubeconfig, self._hearer = kubeconfig, hearer
        self._session: aiohttp.ClientSession | None = None
        self._client: HttpClient | None = None
        self._token_read = 0.0
        self.authorization = ""
        """Line of the header, with its end; empty where certificates are used."""
        self.credentials: Credentials = load_credentials(kubeconfig)

    @property
    def server(self) -> str:
        """URL of the API server, without a trailing slash."""
        return self.credentials.server

    def session(self) -> aiohttp.ClientSession:
        """The session to use for the next stream. Call it on the event loop, each time."""
        if self._session is None or self._session.closed:
            self.credentials = load_credentials(self._kubeconfig)
            self._session = self._open()
            if self._client is not None:
                self._client.retire()
            self._client = HttpClient(self.server, self.credentials.ssl_context, self._hearer)
            self._authorize()
        elif self.credentials.token_file is not None and time.monotonic() - self._token_read > TOKEN_SECONDS:
            self._authorize()
        return self._session

    def client(self) -> HttpClient:
        """The client to use for the next short request, with the line `authorization`. Call it each time."""
        self.session()
        assert self._client is not None
        return self._client

    async def close(self) -> None:
        """Ends both; requests under way fail."""
        if self._session is not None:
            await self._session.close()
        if self._client is not None:
            self._client.close()

    def _open(self) -> aiohttp.ClientSession:
        context = self.credentials.ssl_context
        # Watches hold a connection each for ever, so the pool has no limit of its own.
        connector = aiohttp.TCPConnector(
            limit=0, ssl=context if context is not None else False, keepalive_timeout=60
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "limosa-propeller"},
            trace_configs=[told_to(self._hearer)],
        )

    def _authorize(self) -> None:
        self._token_read = time.monotonic()
        token = self.credentials.current_token()
        if token and self._session is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self.authorization = f"Authorization: Bearer {token}\r\n" if token else ""
