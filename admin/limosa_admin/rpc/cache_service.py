"""The cache as people see it: listed and invalidated."""

from limosa_admin import page_tokens
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.rpc.call import Call
from limosa_admin.rpc.places import Places
from limosa_admin.store import caches
from limosa_admin.store.database import Database
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb


class CacheService:
    """Results that later runs use in place of launches."""

    def __init__(self, database: Database, places: Places) -> None:
        self._database = database
        self._places = places

    def list_cache(self, request: pb.ListCacheRequest, call: Call) -> pb.ListCacheResponse:
        """A page of results, newest first."""
        self._places.check(call.identity, request.project, request.domain)
        limit = page_tokens.page_limit(request.limit)
        before = page_tokens.decode_number(request.page_token)
        with self._database.transaction() as connection:
            found, following = caches.list_page(connection, request, limit, before)
        return pb.ListCacheResponse(entries=found, next_page_token=page_tokens.encode(following))

    def invalidate_cache(self, request: pb.InvalidateCacheRequest, call: Call) -> pb.InvalidateCacheResponse:
        """Forgets results: the next launch with their key runs."""
        self._places.check(call.identity, request.project, request.domain)
        if not (request.task or request.cache_version or request.key):
            message = "say what to invalidate: a task, a cache version or a key"
            raise RequestError(Reason.INVALID, message)
        with self._database.transaction() as connection:
            return pb.InvalidateCacheResponse(invalidated=caches.invalidate(connection, request))
