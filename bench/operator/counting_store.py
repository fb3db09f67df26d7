"""An S3 endpoint that keeps objects in memory and counts requests: how the operator's store calls are seen from outside."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class CountingStore:
    """Listens on loopback until closed."""

    def __init__(self) -> None:
        self.requests = 0
        self._objects: dict[str, bytes] = {}
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                store.requests += 1
                data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if self.headers.get("If-None-Match") == "*" and self.path in store._objects:
                    self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                    return
                store._objects[self.path] = data
                self._answer(200)

            def do_GET(self) -> None:
                store.requests += 1
                data = store._objects.get(self.path)
                if data is None:
                    self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
                else:
                    self._answer(200, data)

            def do_POST(self) -> None:
                # DeleteObjects, the one POST that is needed.
                store.requests += 1
                keys = re.findall(rb"<Key>(.*?)</Key>", self.rfile.read(int(self.headers["Content-Length"])))
                for key in keys:
                    store._objects.pop(f"{self.path.split('?')[0]}/{key.decode()}", None)
                deleted = b"".join(b"<Deleted><Key>%b</Key></Deleted>" % key for key in keys)
                self._answer(200, b"<DeleteResult>%b</DeleteResult>" % deleted)

            def _answer(self, status: int, body: bytes = b"") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", '"x"')
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                self.end_headers()
                if body:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def environ(self) -> dict[str, str]:
        return {
            "LIMOSA_STORAGE_URL": "s3://limosa/data",
            "LIMOSA_STORAGE_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "us-east-1",
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
