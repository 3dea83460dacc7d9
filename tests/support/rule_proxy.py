"""A proxy on a unix socket or a port that lets a test decide what becomes of each request: a canned answer,
silence, or the real engine's answer. Without an engine behind it, it is an engine made of canned answers.

HemoStat's SDK sends one request a connection over a unix socket, so that a connection is one request here.
"""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Self

ENGINE = "/var/run/docker.sock"
HTML = "<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>nginx</body></html>"


class Silence(NamedTuple):
    """Nothing (more) is sent after `first`; the connection stays open."""

    first: bytes = b""


class Drip(NamedTuple):
    """`first` is sent, then `again` every `pause` seconds until the client disconnects."""

    first: bytes
    again: bytes
    pause: float = 0.05


Answer = bytes | Silence | Drip


class Rule(NamedTuple):
    """`request` is searched in `METHOD /path?query`, the path without the API's version."""

    request: str
    answer: Answer | Callable[[str], Answer | None]
    """None: the request is handled as without the rule."""


def answer(status: int, body: bytes, kind: str = "application/json") -> bytes:
    reason = HTTPStatus(status).phrase
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body


def page(status: int) -> bytes:
    """The HTML of a proxy."""
    text = HTML.format(status=f"{status} {HTTPStatus(status).phrase}")
    return answer(status, text.encode(), "text/html; charset=utf-8")


def told(value: object, status: int = 200) -> bytes:
    return answer(status, json.dumps(value).encode())


def stream(*pieces: bytes, chunked: bool = True) -> Silence:
    """The beginning of an endless answer."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    if not chunked:
        return Silence(head + b"Connection: close\r\n\r\n" + b"".join(pieces))
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return Silence(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks))


class RuleProxy:
    """`rules` may be replaced while it runs; `asked` is every request so far. `upstream` "" is no engine."""

    def __init__(
        self, place: Path | None = None, *rules: Rule, upstream: str = ENGINE, timeout: float = 0.0
    ) -> None:
        self.rules: Sequence[Rule] = rules
        self.asked: list[str] = []
        self.idle = timeout
        """Seconds after which a connection without traffic is cut; 0: never."""
        self._upstream = upstream
        self._open: list[socket.socket] = []
        self._requests: dict[int, str] = {}
        """By the descriptor of each connection to HemoStat."""
        self._frozen: set[int] = set()
        self._place = place
        self._listener = socket.socket(socket.AF_UNIX if place else socket.AF_INET)
        self._listener.bind(str(place) if place else ("127.0.0.1", 0))
        self._listener.listen(64)
        port = 0 if place else self._listener.getsockname()[1]
        self.url = f"unix://{place}" if place else f"tcp://127.0.0.1:{port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        if self._place:
            self._place.unlink(missing_ok=True)

    def freeze(self, request: str) -> None:
        """Let no more bytes pass through the connections that such requests have open, and close none."""
        self._frozen |= {number for number, asked in self._requests.items() if re.search(request, asked)}

    def cut(self, request: str) -> None:
        """Break the connections that such requests have open."""
        for each in list(self._open):
            if re.search(request, self._requests.get(each.fileno(), "")):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def count(self, request: str) -> int:
        return sum(re.search(request, each) is not None for each in self.asked)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.append(near)
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := near.recv(65536)):
                    near.close()
                    return
                head += data
                if not head[:1].isalpha():
                    self._answer(near, head, page(400))
                    return
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            asked = f"{method} {re.sub(r'^/v[0-9.]+(?=/)', '', target)}"
            self.asked.append(asked)
            self._requests[near.fileno()] = asked
            self._frozen.discard(near.fileno())
            self._answer(near, head, self._find(asked))

    def _find(self, asked: str) -> Answer | None:
        for rule in self.rules:
            if re.search(rule.request, asked):
                found = rule.answer(asked) if callable(rule.answer) else rule.answer
                if found is not None:
                    return found
        return None if self._upstream else told({"message": "page not found"}, 404)

    def _answer(self, near: socket.socket, head: bytes, found: Answer | None) -> None:
        if isinstance(found, Silence):
            near.sendall(found.first)
        elif isinstance(found, Drip):
            near.sendall(found.first)
            while True:
                near.sendall(found.again)
                time.sleep(found.pause)
        elif found is not None:
            near.sendall(found)
            near.shutdown(socket.SHUT_RDWR)
            near.close()
        else:
            far = socket.socket(socket.AF_UNIX)
            self._open.append(far)
            far.connect(self._upstream)
            far.sendall(head)
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
            self._pump(far, near)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        source.settimeout(self.idle or None)
        with suppress(OSError):
            while data := source.recv(65536):
                if self._frozen.isdisjoint({source.fileno(), target.fileno()}):
                    target.sendall(data)
        if not self._frozen.isdisjoint({source.fileno(), target.fileno()}):
            return
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
