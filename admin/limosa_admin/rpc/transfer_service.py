"""Signed transfers for people's clients."""

from limosa_admin import page_tokens
from limosa_admin.rpc.call import Call
from limosa_admin.rpc.places import Places
from limosa_admin.transfers import Transfers, project_of
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb


class TransferService:
    """Checks whose object it is; signing is `Transfers`."""

    def __init__(self, transfers: Transfers, places: Places) -> None:
        self._transfers = transfers
        self._places = places

    def sign_upload(self, request: pb.SignUploadRequest, call: Call) -> pb.SignedTransfer:
        """Where to put a code bundle or an input file."""
        self._places.check(call.identity, request.project, request.domain)
        self._places.check_served(call.identity, request.project, request.domain)
        return self._transfers.sign_upload(request)

    def sign_download(self, request: pb.SignDownloadRequest, call: Call) -> pb.SignedTransfer:
        """Where to get an object."""
        key = self._readable(request.uri, call)
        return self._transfers.sign_download(key)

    def list_objects(self, request: pb.ListObjectsRequest, call: Call) -> pb.ListObjectsResponse:
        """A page of the objects below a prefix."""
        key = self._readable(request.uri.rstrip("/"), call)
        found, following = self._transfers.list_objects(key, page_tokens.decode(request.page_token))
        return pb.ListObjectsResponse(objects=found, next_page_token=page_tokens.encode(following))

    def _readable(self, uri: str, call: Call) -> str:
        key = self._transfers.key_of(uri)
        call.identity.require_project(project_of(key))
        return key
