"""A gRPC server on loopback whose answers a test scripts, and an HTTP store beside it."""

import concurrent.futures
import contextlib
import http.server
import threading
from urllib.parse import quote, unquote

import grpc

from limosa.remote import Client, Endpoint, Target
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc as stubs


class Refuse(Exception):
    """A scripted answer that is an error."""

    def __init__(self, code, details="", metadata=()):
        super().__init__(details)
        self.code, self.details, self.metadata = code, details, metadata


class FakeAdmin(
    stubs.ServerServiceServicer,
    stubs.RegistryServiceServicer,
    stubs.RunServiceServicer,
    stubs.TransferServiceServicer,
    stubs.CacheServiceServicer,
    stubs.ClusterServiceServicer,
):
    """Answers each method from `script[method]`: a list of messages, Refuse, or lists of them for streams."""

    def __init__(self, store_url=""):
        self.script, self.calls, self.store_url = {}, [], store_url
        self.uploaded = {}

    def _answer(self, method, request, context):
        self.calls.append((method, request, dict(context.invocation_metadata())))
        answers = self.script.get(method) or [Refuse(grpc.StatusCode.UNIMPLEMENTED, method)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return self._give(answer, context)

    def _give(self, answer, context):
        if isinstance(answer, Refuse):
            context.set_trailing_metadata(answer.metadata)
            context.abort(answer.code, answer.details)
        return answer

    def GetInfo(self, request, context):
        return self._answer("GetInfo", request, context)

    def ListEntities(self, request, context):
        return self._answer("ListEntities", request, context)

    def GetEntity(self, request, context):
        return self._answer("GetEntity", request, context)

    def CreateRun(self, request, context):
        return self._answer("CreateRun", request, context)

    def GetRun(self, request, context):
        return self._answer("GetRun", request, context)

    def ListRuns(self, request, context):
        return self._answer("ListRuns", request, context)

    def AbortRun(self, request, context):
        return self._answer("AbortRun", request, context)

    def ResumeRun(self, request, context):
        return self._answer("ResumeRun", request, context)

    def DeleteRun(self, request, context):
        return self._answer("DeleteRun", request, context)

    def GetRunData(self, request, context):
        return self._answer("GetRunData", request, context)

    def ListCache(self, request, context):
        return self._answer("ListCache", request, context)

    def ListClusters(self, request, context):
        return self._answer("ListClusters", request, context)

    def LoseCluster(self, request, context):
        return self._answer("LoseCluster", request, context)

    def InvalidateCache(self, request, context):
        return self._answer("InvalidateCache", request, context)

    def WatchRun(self, request, context):
        for one in self._answer("WatchRun", request, context):
            if callable(one):
                one(context)
            else:
                yield self._give(one, context)

    def TailLogs(self, request, context):
        for one in self._answer("TailLogs", request, context):
            yield self._give(one, context)

    def SignUpload(self, request, context):
        self.calls.append(("SignUpload", request, {}))
        key = {
            "code_bundle": f"code/{request.code_bundle}",
            "package_wheel": f"code/wheels/{request.package_wheel}.whl",
            "package_lock": f"code/packages/{request.package_lock}.json",
            "upload": f"uploads/{request.upload.digest}/{request.upload.name}",
        }[request.WhichOneof("target")]
        return pb.SignedTransfer(
            url=f"{self.store_url}/{quote(key)}",
            uri=f"s3://b/root/{quote(key)}",
            exists=f"/{key}" in self.uploaded,
        )

    def SignDownload(self, request, context):
        key = unquote(request.uri).removeprefix("s3://b/root")
        if key not in self.uploaded:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{request.uri} does not exist")
        return pb.SignedTransfer(url=self.store_url + quote(key), uri=request.uri)

    def ListObjects(self, request, context):
        prefix = unquote(request.uri).removeprefix("s3://b/root")
        found = [key for key in sorted(self.uploaded) if key.startswith(prefix)]
        objects = [
            pb.ListObjectsResponse.Object(uri=f"s3://b/root{quote(key)}", size=len(self.uploaded[key]))
            for key in found
        ]
        return pb.ListObjectsResponse(objects=objects)


@contextlib.contextmanager
def serving(admin, port=0):
    """The admin on a free port; gives the port."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    stubs.add_ServerServiceServicer_to_server(admin, server)
    stubs.add_RegistryServiceServicer_to_server(admin, server)
    stubs.add_RunServiceServicer_to_server(admin, server)
    stubs.add_TransferServiceServicer_to_server(admin, server)
    stubs.add_CacheServiceServicer_to_server(admin, server)
    stubs.add_ClusterServiceServicer_to_server(admin, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield bound
    finally:
        server.stop(0).wait()


@contextlib.contextmanager
def store(objects, statuses=None):
    """An HTTP store over a dict; `statuses` are answered first, one a request. Gives its URL."""
    statuses = statuses if statuses is not None else []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = statuses.pop(0) if statuses else 200
            if status == 200:
                objects[unquote(self.path)] = body
            self._end(status)

        def do_GET(self):
            status = statuses.pop(0) if statuses else 200
            self._end(status, objects.get(unquote(self.path), b"") if status == 200 else b"")

        def _end(self, status, body=b""):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def client_of(port, token="tok", context=""):
    """A client of a fake admin."""
    return Client(
        Target(Endpoint("127.0.0.1", port, False), "demo", "development", token=token, context=context)
    )
