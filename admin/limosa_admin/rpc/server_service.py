"""What this server is."""

from limosa_admin import VERSION
from limosa_admin.rpc.call import Call
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb


class ServerService:
    """Answers from settings alone."""

    def __init__(self, console_url: str, storage_root: str, sandbox: bool) -> None:
        self._console_url = console_url
        self._storage_root = storage_root
        self._sandbox = sandbox

    def get_info(self, request: pb.GetInfoRequest, call: Call) -> pb.GetInfoResponse:
        """What the server is and who the caller is to it."""
        response = pb.GetInfoResponse(
            version=VERSION,
            sandbox=self._sandbox,
            console_url=self._console_url,
            storage_root=self._storage_root,
        )
        if call.who is not None:
            response.identity.subject = call.who.subject
            response.identity.role = call.who.role.value
            response.identity.projects.extend(sorted(call.who.projects))
        return response
