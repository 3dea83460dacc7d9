"""A server with the protocols of Anthropic and OpenAI and scripted replies.

It runs in a thread, on loopback.
"""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self

from tests.support.model_wires import (
    KEY,
    Fails,
    Reply,
    Request,
    Says,
    Script,
    Sends,
    Spoils,
    models,
    refuses,
    rendered,
)

REFUSES = Says("I cannot help with that.", stop="refusal")
CUT_SHORT = Says("Let me think about", stop="max_tokens")
UNKNOWN_TOOL = Says(calls=[("launch_missiles", {"target": "everything"})])
HUGE = Says("lorem ipsum " * 90_000)
HTML = Sends("<html><body>Sign in to the hotel's network</body></html>", type="text/html")
OVER = Fails(400, "the test's script is over")
WRONG_SHAPE = Sends('{"answer": "restart it", "confidence": 1}')


def endless(tool: str, **arguments: Any) -> Callable[[Request], Reply]:
    """A model that calls a tool repeatedly, whatever the results are."""
    return lambda _: Says(calls=[(tool, arguments)])


class ModelServer:
    """Used as a context. A script is a list of replies, each given once, or a function of the request."""

    def __init__(self, script: Script = (), *, key: str | None = KEY) -> None:
        self.script(script)
        self.key = key
        self.requests: list[Request] = []
        self.over = threading.Event()
        self.ids = count(1)
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._http.owner = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def base_url(self, vendor: str) -> str:
        """The value of `analyzer.base_url`."""
        return self.url if vendor == "anthropic" else f"{self.url}/v1"

    @property
    def asked(self) -> list[Request]:
        """The requests for an answer, without those for the list of models."""
        return [request for request in self.requests if request.method == "POST"]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def script(self, script: Script) -> None:
        """Set the replies from now on."""
        replies = None if callable(script) else iter(script)
        self._script = script if replies is None else lambda _: next(replies, OVER)

    def reply(self, request: Request) -> Reply:
        """Record the request and return the reply."""
        with self._lock:
            self.requests.append(request)
            told = request.headers.get("authorization", "").removeprefix("Bearer ")
            if self.key is not None and self.key not in (told, request.headers.get("x-api-key")):
                return Fails(401, f"Incorrect API key provided: {told}.")
            if request.method == "GET":
                return models(request)
            message = refuses(request)
            return Fails(400, message) if message else self._script(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _serve(self, body: Mapping[str, Any]) -> None:
        server: ModelServer = self.server.owner  # type: ignore[attr-defined]
        headers = {name.lower(): value for name, value in self.headers.items()}
        vendor = "anthropic" if "anthropic-version" in headers else "openai"
        request = Request(vendor, self.command, self.path, headers, body)
        reply = server.reply(request)
        number = next(server.ids)
        with suppress(OSError):
            if isinstance(reply, Spoils):
                self._spoil(reply, rendered(Says("Never mind."), request, number), server)
            else:
                self._send(rendered(reply, request, number))

    def _send(self, reply: Sends) -> None:
        body = reply.body.encode()
        self._head(reply, len(body))
        self.wfile.write(body)

    def _head(self, reply: Sends, length: int) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Type": reply.type, "Content-Length": length, **reply.headers}.items():
            self.send_header(name, str(value))
        self.end_headers()

    def _spoil(self, how: Spoils, reply: Sends, server: ModelServer) -> None:
        self.close_connection = True
        body = reply.body.encode()
        match how.how:
            case "cut in the body":
                self._head(reply, len(body))
                self.wfile.write(body[: len(body) // 2])
            case "truncated":
                self._head(reply, len(body) // 2)
                self.wfile.write(body[: len(body) // 2])
            case "silence":
                server.over.wait()
            case "dribble":
                self._head(reply, len(body))
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    if server.over.wait(how.pace):
                        return

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""
