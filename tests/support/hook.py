"""A web server with scripted responses, for tests of notifications."""

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.required import program

SECRET = "T000-B000-XXXXXXXX"  # noqa: S105 - an example


class Request(NamedTuple):
    method: str
    path: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Hook(ThreadingHTTPServer):
    """`statuses` are the next responses, `status` all after them. If `silent` is set, no request is answered.
    A response that is `endless` never ends, and one that is `torn` has an invalid header."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = 200
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.body = b""
        self.silent = self.endless = self.torn = False
        self.requests: list[Request] = []
        self.heard: list[Request] = []
        """The requests that were answered with 200."""
        self.ending = threading.Event()
        self.scheme = "http"

    def encrypt(self, certificate: Path) -> None:
        """Use TLS. A failed handshake is not reported."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/services/{SECRET}"


class Answer(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, body)
        server.requests.append(request)
        if server.silent:
            server.ending.wait(60)
            return
        status = server.statuses.pop(0) if server.statuses else server.status
        if status == 200:
            server.heard.append(request)
        self.send_response(status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        if server.torn:
            self._headers_buffer.append(b"no header\r\n")
        if not server.endless:
            self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)
        with suppress(OSError):
            while server.endless and not server.ending.is_set():
                self.wfile.write(bytes(65536))

    do_GET = do_POST  # noqa: N815 - the server's word

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""


def certify(directory: Path) -> Path:
    """Create a self-signed certificate for 127.0.0.1 and its key, in one file."""
    path = directory / "self-signed.pem"
    new = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=hook"
    command = [program("openssl"), "req", *new.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", path, "-out", path], check=True, capture_output=True)
    return path


@contextmanager
def hooked(certificate: Path | None = None) -> Iterator[Hook]:
    """With a certificate it speaks TLS."""
    with Hook() as server:
        if certificate is not None:
            server.encrypt(certificate)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()
